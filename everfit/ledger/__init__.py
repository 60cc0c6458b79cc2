"""The append-only, hash-chained record of every decision: what was decided, about what, by whom and why.

It is the truth. MLflow's aliases and Prefect's runs are projections of it and can be rebuilt from it.
"""

from everfit.ledger.book import Ledger
from everfit.ledger.champions import Swap
from everfit.ledger.entries import GENESIS, KINDS, Entry, Kind
from everfit.ledger.holders import Holder
from everfit.ledger.proof import Verification

__all__ = ["GENESIS", "KINDS", "Entry", "Holder", "Kind", "Ledger", "Swap", "Verification"]
