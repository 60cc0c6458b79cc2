"""When a champion learns again from newer rows, as it is."""

from pydantic import Field

from everfit.spec.part import Part


class Refit(Part):
    """How a champion is kept fit between searches: same pipeline, same hyperparameters, newer rows.

    The defaults were found on streams, where they are flat: half or twice as much of most of them changes little.
    """

    auto: bool = Field(True, description="false: the champion never learns again by itself between searches.")
    recent: int = Field(5, ge=0, description="Batches in the short window beside that of all rows; 0: no such window.")
    slowest: int = Field(16, ge=1, description="Labelled batches between two refits at most, when they do not pay.")
    sharpness: float = Field(8, gt=0, description="How fast a window loses weight as its recent loss rises.")
    memory: float = Field(0.5, ge=0, lt=1, description="How much of its loss a window keeps from batch to batch.")
    offset: bool = Field(True, description="Move all answers by what recent labels say they are off.")
