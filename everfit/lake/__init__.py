"""Versioned tables of everything that came in (Delta Lake)."""

from everfit.lake.columns import BATCH, ROW
from everfit.lake.records import Batch, Landed, LandedBatch, Snapshot, digest_of
from everfit.lake.store import Lake

__all__ = ["BATCH", "ROW", "Batch", "Lake", "Landed", "LandedBatch", "Snapshot", "digest_of"]
