"""Versioned tables of everything that came in (Delta Lake)."""

from everfit.lake.records import Batch, Landed, LandedBatch, Snapshot, digest_of
from everfit.lake.store import Lake

__all__ = ["Batch", "Lake", "Landed", "LandedBatch", "Snapshot", "digest_of"]
