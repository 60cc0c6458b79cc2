"""Would other thresholds have been better? Each is tried alone, and only a gain beyond luck counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from everfit.backtest.history import History
from everfit.backtest.plan import Policy
from everfit.backtest.replay import Lived
from everfit.backtest.result import LEVEL, Standing, Variant, ahead, standing
from everfit.spec import ModelSpec

LEAST = 0.005  # of the present score, which a better one has to gain to be worth a change of the model file


@dataclass(frozen=True)
class Change:
    """Another value of one key of the model file."""

    key: str
    value: float
    now: float

    def of(self, spec: ModelSpec) -> Policy:
        """Return the policy with it."""
        part, name = self.key.split(".")
        other = getattr(spec, part).model_copy(update={name: self.value})
        title = f"{self.key}: {self.value:g}"
        return Policy(title, "kept", title, spec=spec.model_copy(update={part: other}))


def changes(spec: ModelSpec) -> list[Change]:
    """Return what is tried: half and twice of each threshold, within what the model file may say."""
    refit, rise = spec.refit, spec.monitor.loss_increase
    tried: dict[str, tuple[float, Sequence[float]]] = {
        "refit.recent": (refit.recent, (max(2, refit.recent // 2), max(3, refit.recent * 2))),
        "refit.slowest": (refit.slowest, (max(1, refit.slowest // 2), refit.slowest * 2)),
        "refit.memory": (refit.memory, (refit.memory / 2, (1 + refit.memory) / 2)),
        "refit.sharpness": (refit.sharpness, (refit.sharpness / 2, refit.sharpness * 2)),
        "monitor.loss_increase": (rise, (rise / 2, rise * 2)),
    }
    return [Change(key, value, now) for key, (now, values) in tried.items() for value in values if value != now]


def weigh(tried: Sequence[tuple[Change, Policy, Lived]], this: Standing, history: History) -> tuple[Variant, ...]:
    """Compare each with the present policy, batch by batch; all share the level (Bonferroni)."""
    metric, found = history.metric, list[Variant]()
    for change, policy, lived in tried:
        one = standing(policy, lived, history)
        by = ahead(metric, one, this)
        gained = metric.gain(one.score) - metric.gain(this.score)
        better = by.gain > 0 and by.p_value < LEVEL / len(tried) and gained >= LEAST * abs(this.score)
        found.append(Variant(change.key, change.value, change.now, one.score, one.fits, one.cpu_seconds, by, better))
    return tuple(found)
