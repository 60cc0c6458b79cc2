"""Versioned tables of everything that came in (Delta Lake)."""

from everfit.lake.records import Batch, Landed, LandedBatch, Snapshot
from everfit.lake.store import Lake, digest_of

__all__ = ["Batch", "Lake", "Landed", "LandedBatch", "Snapshot", "digest_of"]
