"""What all parts of a model file have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the file, in which unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False, hide_input_in_errors=True)
