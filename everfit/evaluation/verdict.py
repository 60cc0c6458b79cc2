"""The gate: does the challenger take over? Judged on the same rows, row by row, and closed when in doubt."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from everfit.errors import first_line
from everfit.evaluation import resample
from everfit.evaluation.metrics import CLASSIFICATION, Metric
from everfit.evaluation.metrics import metric as metric_named
from everfit.search.predicted import Predicted

LEVEL = 0.05  # one-sided
FEWEST_UNITS = 10  # rows, blocks or groups that judge; with two or three, luck alone promotes one model in five
RISK = 0.1  # share of the champion's score, or of its lead over the dummy, that "not worse" may put at risk


@dataclass(frozen=True)
class Score:
    """A score (or a difference) with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, why, and what stood in the way. `difference` is positive when the challenger is better.

    `costs` are those of a row on average, where the model file says what it costs to miss a class; they decide nothing.
    """

    promote: bool
    reasons: tuple[str, ...]
    blockers: tuple[str, ...]
    metric: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    difference: Score | None = None
    p_value: float | None = None
    rows: int = 0
    rows_hash: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def judge(
    metric: str | Metric,
    y: Any,
    predictions: Mapping[str, Predicted | None],
    *,
    weight: Any = None,
    margin: float = 0.01,
    stale: bool = False,
    why_stale: str = "",
    champion: str = "",
    unjudged: str = "",
    ordered: bool = False,
    groups: Any = None,
    seed: int = 0,
    rows_hash: str = "",
) -> Verdict:
    """Compare `challenger` with `dummy` and, when there is one, with `champion`, on the same rows.

    The caller leaves out rows that the champion was trained on. The first model needs to be better than the dummy;
    any later one also better than the champion, or, while that is `stale`, not worse: within `margin` of its score, and
    in 95 % of the resamples not behind by a tenth of its score, nor of its lead over the dummy (a test of
    non-inferiority: few rows cannot show that nothing is lost). A `champion` that is named but gave no predictions
    refuses, as does anything that cannot be computed: only the absence of a champion promotes without one. Where no
    row is left for it, say why it is `unjudged`: that refuses too, and the others still get their scores. Say
    `ordered` when the rows are in the order of time: then neighbours are resampled together.
    """
    measure = metric_named(metric) if isinstance(metric, str) else metric
    truth = np.asarray(y)
    weights = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype="float64")
    facts: dict[str, Any] = {"metric": measure.name, "rows": len(truth), "rows_hash": rows_hash}
    try:
        case = _Case(measure, truth, weights, dict(predictions), ordered, seed, groups)
        rival = "" if unjudged else champion
        blockers = _degenerate(measure, truth, weights) or _few(case) or _unusable(predictions, len(truth), rival)
        if blockers:
            return Verdict(False, (), tuple(blockers), **facts)
        found = _weigh(case, margin, stale, why_stale, champion or "the champion", facts)
        return replace(found, promote=False, reasons=(), blockers=(unjudged, *found.blockers)) if unjudged else found
    except Exception as cause:  # the gate fails closed: whatever went wrong, nothing is promoted
        logging.getLogger("everfit").exception("the comparison failed, and the challenger is refused")
        return Verdict(False, (), (f"the comparison failed: {type(cause).__name__}: {first_line(cause)}",), **facts)


def _degenerate(metric: Metric, y: np.ndarray, weight: np.ndarray) -> list[str]:
    if len(y) < FEWEST_UNITS:
        return [f"{len(y)} evaluation row(s) are left, and {FEWEST_UNITS} are needed to judge"]
    if weight.shape != y.shape or not np.all(np.isfinite(weight)) or weight.min() < 0 or weight.sum() <= 0:
        return ["the weights of the evaluation rows are missing, negative or all zero"]
    if metric.tasks <= CLASSIFICATION and len(set(y[weight > 0].tolist())) < 2:
        return [f"all {len(y):,} evaluation rows are of one class, {y.tolist()[0]!r}: nothing can be told apart"]
    return []


def _few(case: _Case) -> list[str]:
    """Refuse where too few units judge: one alone has no spread, and any difference would pass for proven."""
    if case.judging >= FEWEST_UNITS:
        return []
    if case.groups is None:
        what = "block(s) of neighbouring rows" if case.ordered else "evaluation row(s)"
        return [
            f"{case.judging} {what} have a weight, and {FEWEST_UNITS} are needed to judge: raise evaluation.holdout"
        ]
    return [
        f"{case.judging} group(s) judge, and {FEWEST_UNITS} are needed to prove anything: raise evaluation.holdout, "
        "give rows of more groups, or leave data.group out if the rows of a group have nothing else in common"
    ]


def _unusable(predictions: Mapping[str, Predicted | None], rows: int, champion: str) -> list[str]:
    expected = ["challenger", "dummy", *(["champion"] if champion or "champion" in predictions else [])]
    return [f"{who} {why}" for who in expected if (why := _fault(predictions.get(who), rows))]


def _fault(predicted: Predicted | None, rows: int) -> str:
    if predicted is None:
        return "gave no predictions"
    if len(predicted) != rows:
        return f"gave {len(predicted):,} predictions for {rows:,} rows"
    numbers = predicted.values if predicted.proba is None else predicted.proba
    broken = int((~np.isfinite(np.asarray(numbers, dtype="float64"))).reshape(rows, -1).any(axis=1).sum())
    return f"gave predictions that are no numbers in {broken:,} row(s)" if broken else ""


@dataclass(frozen=True)
class _Case:
    metric: Metric
    y: np.ndarray
    weight: np.ndarray
    predictions: Mapping[str, Any]
    ordered: bool
    seed: int
    groups: Any = None

    @cached_property
    def units(self) -> np.ndarray:
        """The unit that each row is resampled with."""
        return resample.units_of(len(self.y), ordered=self.ordered, seed=self.seed, groups=self.groups)

    @cached_property
    def judging(self) -> int:
        """How many units have a say."""
        return len(np.unique(self.units[self.weight > 0]))


def _weigh(case: _Case, margin: float, stale: bool, why_stale: str, champion: str, facts: dict[str, Any]) -> Verdict:
    values, draws = _scores(case)
    scores = {who: Score(values[who], *resample.interval(draws[who].clip(*case.metric.within))) for who in values}
    broken = [
        f"{who} has no finite {case.metric.name}" for who, score in scores.items() if not np.isfinite(score.value)
    ]
    if broken:
        return Verdict(False, (), tuple(broken), scores=scores, **facts)
    rival = "champion" if "champion" in values else "dummy"
    gain = _gain(case, values, draws, rival)
    reasons, blockers = _against_dummy(case, values, draws)
    if rival == "dummy":
        reasons.append("there is no champion")
    else:
        more = _against_champion(values, gain, margin, why_stale if stale else None, champion)
        reasons, blockers = reasons + more[0], blockers + more[1]
        reasons += _below_the_dummy(case.metric, values, champion)
    facts |= {"scores": scores, "difference": gain.score, "p_value": gain.p_value}
    return Verdict(not blockers, tuple(reasons), tuple(blockers), **facts)


def _below_the_dummy(metric: Metric, values: dict[str, float], champion: str) -> list[str]:
    if metric.gain(values["champion"]) >= metric.gain(values["dummy"]):
        return []
    return [f"beware: {champion} itself is worse than a constant guess on these rows: {values['champion']:.4g}"]


def _scores(case: _Case) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    draws = resample.draws_of(int(case.units.max()) + 1, seed=case.seed)
    who = [name for name in ("dummy", "champion", "challenger") if name in case.predictions]
    values = {name: case.metric.score(case.y, case.predictions[name], case.weight) for name in who}
    spread = {
        name: resample.resampled(case.metric, case.y, case.predictions[name], case.weight, case.units, draws)
        for name in who
    }
    return values, spread


@dataclass(frozen=True)
class _Gain:
    """By how much the challenger is better: its interval, the share of resamples without a gain, the worst of 95 %."""

    score: Score
    p_value: float
    worst: float

    def __str__(self) -> str:
        return f"gain {self.score}, p = {self.p_value:.2g}"

    @property
    def shown(self) -> bool:
        """Whether the gain is more than luck."""
        return self.score.value > 0 and self.p_value <= LEVEL


def _gain(case: _Case, values: dict[str, float], draws: dict[str, np.ndarray], rival: str) -> _Gain:
    sign = 1 if case.metric.greater else -1
    value = sign * (values["challenger"] - values[rival])
    gained = value + resample.small_sample(case.judging, LEVEL) * (sign * (draws["challenger"] - draws[rival]) - value)
    known = gained[np.isfinite(gained)]
    p_value = (1 + int((known <= 0).sum())) / (1 + len(known))
    worst = float(np.quantile(known, LEVEL)) if len(known) else float("-inf")
    score = Score(value, *resample.interval(gained))
    return _Gain(score, float(p_value), worst)


def _against_dummy(case: _Case, values: dict[str, float], draws: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    gain = _gain(case, values, draws, "dummy")
    said = (
        f"{case.metric.name} {values['challenger']:.4g} against {values['dummy']:.4g} of a constant guess "
        f"on {len(case.y):,} rows (p = {gain.p_value:.2g})"
    )
    return (
        ([f"better than the dummy: {said}"], [])
        if gain.shown
        else ([], [f"not shown to be better than the dummy: {said}"])
    )


def _against_champion(
    values: dict[str, float], gain: _Gain, margin: float, why_stale: str | None, champion: str
) -> tuple[list[str], list[str]]:
    said = f"{values['challenger']:.4g} against {values['champion']:.4g} of {champion} on the same rows ({gain})"
    if gain.shown:
        return [f"better: {said}"], []
    allowed = margin * abs(values["champion"])
    if gain.score.value < -allowed:
        return [], [f"worse by more than the margin of {margin:.0%}: {said}"]
    if why_stale is None:
        return [], [f"not shown to be better: {said}, and {champion} is not stale"]
    bound = max(allowed, RISK * min(abs(values["champion"]), abs(values["champion"] - values["dummy"])))
    if gain.worst < -bound:
        why = f"it may be {-gain.worst:.3g} worse, and {bound:.3g} is what may be risked"
        return [], [f"not shown to be as good: {said}; {why}"]
    return [f"not worse: {said}, while {champion} is stale: {why_stale or 'its time is over'}"], []
