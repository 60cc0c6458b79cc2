"""How a champion answers over HTTP."""

from typing import Literal

from pydantic import Field

from everfit.spec.part import Part


class Abstain(Part):
    """When a prediction is held back, with the reason; it is kept in the log all the same."""

    confidence: float | None = Field(
        None, gt=0, le=1, description="The likeliest class has a smaller probability; classification only."
    )
    range: bool = Field(False, description="A number or a level is beyond those in a sample of up to 20,000 rows.")
    margin: float = Field(0.1, ge=0, description="How far beyond, as a share of the range of that sample.")
    broken: bool = Field(False, description="A value is missing that never is in that sample, or too many are.")
    gaps: float = Field(0.5, gt=0, le=1, description="The share of the fields beyond which too many are missing.")

    @property
    def ever(self) -> bool:
        """Whether anything is a reason to abstain."""
        return self.confidence is not None or self.range or self.broken


class Serve(Part):
    """What the service keeps of its answers, and what it lets a client ask for."""

    log: Literal["durable", "async", "off"] = Field(
        "durable", description="durable: an answer is on disk before it is given; async: it is written meanwhile."
    )
    may_lose: int = Field(
        1_000, ge=1, description="With log: async, so many answers at most may be given and not be on disk yet."
    )
    when_log_fails: Literal["refuse", "answer"] = Field(
        "refuse", description="When an answer cannot be kept: refuse it (503), or give it all the same."
    )
    max_rows: int = Field(10_000, ge=1, description="Records of one request.")
    max_body_mb: float = Field(20, gt=0, description="Size of one request.")
    body_seconds: float = Field(30, gt=0, description="Time in which a request must have come in.")
    concurrency: int = Field(64, ge=1, description="Requests at once; more are told to come again (503).")
    max_explained: int = Field(20, ge=1, description="Records of one request to explain.")
    abstain: Abstain = Field(Abstain(), description="When no prediction is given; by default there always is one.")
    personal: Literal["drop", "hash"] = Field(
        "drop", description="What the log keeps of data.personal: nothing, or keyed hashes (EVERFIT_HASH_KEY)."
    )
