"""Where the rows come from and what the columns mean."""

from typing import Literal

from pydantic import Field, field_validator

from everfit.references import INSTEAD, secret_in
from everfit.spec.part import Part
from everfit.spec.times import Duration

TaskType = Literal["binary", "multiclass", "regression"]
Role = Literal["numeric", "categorical", "text", "date", "drop"]
Outcome = Literal["allow", "warn", "block"]


class SqlSource(Part):
    """A query against a database. The URL is a reference, never the secret itself."""

    url: str = Field(description="${ENV_VARIABLE}, prefect://secret/<block>, or a URL without a password.")
    query: str = Field(description="The SELECT statement whose rows are the data.")


class SchemaPolicy(Part):
    """What happens when a batch has other columns than the champion learnt from."""

    added: Outcome = Field("warn", description="A column that the champion does not know.")
    removed: Outcome = Field("block", description="A column that the champion needs is gone.")
    retyped: Outcome = Field("block", description="A number became text, a date became a number, ...")
    reordered: Outcome = Field("allow", description="The same columns in another order.")


class Data(Part):
    """Where the rows come from and what the columns mean."""

    source: str | SqlSource = Field(description="File, folder, glob, URI, or {url, query}.")
    target: str = Field(description="The column to predict.")
    task: TaskType | None = Field(None, description="Inferred from the target when not said.")
    positive: str | int | float | bool | None = Field(None, description="The class that scores are about; binary only.")
    time: str | None = Field(None, description="When each row happened; splits then never look ahead.")
    ids: tuple[str, ...] = Field((), description="Columns that name a row; never features.")
    group: str | None = Field(None, description="Its rows stay on one side of a split; ten such groups must judge.")
    weight: str | None = Field(None, description="How much each row counts in fits and metrics.")
    drop: tuple[str, ...] = Field((), description="Columns that no model may use, such as those known too late.")
    personal: tuple[str, ...] = Field((), description="Columns about people, whose values nothing may show.")
    roles: dict[str, Role] = Field({}, description="Roles that override what would be inferred.")
    labels: str | SqlSource | None = Field(None, description="Where labels come from that come alone, by data.ids.")
    label_delay: Duration | None = Field(None, description="How long after the row its label is known.")
    on_change: SchemaPolicy = Field(SchemaPolicy(), description="What a change of columns leads to.")

    @field_validator("source", "labels")
    @classmethod
    def _refer_to_secrets(cls, where: str | SqlSource | None) -> str | SqlSource | None:
        secret = secret_in(where.url if isinstance(where, SqlSource) else where or "")
        if secret:
            raise ValueError(f"it holds {secret}, spelt out; {INSTEAD}")
        return where

    @property
    def reserved(self) -> frozenset[str]:
        """Columns that are never features. The time column is one: its calendar may be, itself it is not."""
        named = {self.target, self.group, self.weight, *self.ids, *self.drop}
        dropped = {name for name, role in self.roles.items() if role == "drop"}
        return frozenset(name for name in named | dropped if name)
