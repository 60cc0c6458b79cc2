"""Answers to as many rows as there are, in parts that processes make side by side and a later run goes on from."""

from everfit.scoring.job import Job
from everfit.scoring.outputs import DeltaTable, File, open_output
from everfit.scoring.pieces import Piece
from everfit.scoring.run import Progress, Run

__all__ = ["DeltaTable", "File", "Job", "Piece", "Progress", "Run", "open_output"]
