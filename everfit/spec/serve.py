"""How a champion answers over HTTP."""

from typing import Literal

from pydantic import Field

from everfit.spec.part import Part


class Serve(Part):
    """What the service keeps of its answers, and what it lets a client ask for."""

    log: Literal["durable", "off"] = Field("durable", description="durable: an answer is on disk before it is given.")
    when_log_fails: Literal["refuse", "answer"] = Field(
        "refuse", description="When an answer cannot be kept: refuse it (503), or give it all the same."
    )
    max_rows: int = Field(10_000, ge=1, description="Records of one request.")
    max_body_mb: float = Field(20, gt=0, description="Size of one request.")
    concurrency: int = Field(64, ge=1, description="Requests at once; more are told to come again (503).")
