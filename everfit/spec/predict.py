"""Which rows are scored by the calendar, and where that goes."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from everfit.errors import InputError
from everfit.references import INSTEAD, secret_in
from everfit.spec.data import SqlSource
from everfit.spec.part import Part
from everfit.spec.times import cron


class Predict(Part):
    """What `everfit predict NAME` scores when nothing else is said, and when it does so by itself."""

    input: str | SqlSource | None = Field(None, description="File, folder, glob, URI, or {url, query}.")
    output: str = Field(
        "",
        description="A .parquet or .csv file, or the folder or URI of a Delta table. {date} and {time} stand for when "
        "the run was due (UTC); without them each run replaces what the last one wrote.",
    )
    schedule: Annotated[str | None, AfterValidator(cron)] = Field(
        None, description="Cron of the runs, such as '30 4 * * *'; none: only when asked."
    )
    max_unread: float = Field(
        0.01, ge=0, le=1, description="Share of rows with values that cannot be read, above which a run fails."
    )

    @field_validator("input", "output")
    @classmethod
    def _refer_to_secrets(cls, where: str | SqlSource | None) -> str | SqlSource | None:
        if secret := secret_in(where.url if isinstance(where, SqlSource) else where or ""):
            raise ValueError(f"it holds {secret}, spelt out; {INSTEAD}")
        return where

    def asked(self, source: str, query: str) -> str | SqlSource:
        """Return the rows that were asked for; a `query` alone is one to the database that the file names.

        Raise InputError when the file names none.
        """
        if not query:
            return source
        if not (url := source or (self.input.url if isinstance(self.input, SqlSource) else "")):
            raise InputError(
                "A query does not say which database is meant.",
                do="Give its URL as well, as --input, or say predict: {input: {url, query}} in the model file.",
            )
        return SqlSource(url=url, query=query)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.schedule and not (self.input and self.output):
            raise ValueError("a schedule needs an input and an output")
        return self
