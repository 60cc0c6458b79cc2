"""The vocabulary of a model file, `deployments/models/<name>.yaml`.

Every field but the source and the target has a default, and the defaults are the advice that we would give
aloud. Unknown keys are errors. All mistakes of a file are reported at once, each with its line.
"""

from everfit.spec.data import Data, Outcome, Role, SchemaPolicy, SqlSource, TaskType
from everfit.spec.model import NAME, Evaluation, ModelSpec, Monitor, Promotion, Retrain, Spending
from everfit.spec.reading import SCHEMA_ID, json_schema, load_spec, model_names, parse_spec
from everfit.spec.refit import Refit
from everfit.spec.rollout import Canary, Rollout, Shadow
from everfit.spec.search import LABELLED, OPTIONAL, Family, Method, Metric, Range, Search, usable_families
from everfit.spec.serve import Abstain, Serve
from everfit.spec.times import Duration, parse_duration, write_duration

__all__ = [
    "LABELLED", "NAME", "OPTIONAL", "SCHEMA_ID", "Abstain", "Canary", "Data", "Duration", "Evaluation", "Family",
    "Method", "Metric", "ModelSpec", "Monitor", "Outcome", "Promotion", "Range", "Refit", "Retrain", "Role",
    "Rollout", "SchemaPolicy", "Search", "Serve", "Shadow", "Spending", "SqlSource", "TaskType", "json_schema",
    "load_spec", "model_names", "parse_duration", "parse_spec", "usable_families", "write_duration",
]  # fmt: skip
