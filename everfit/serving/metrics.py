"""What Prometheus sees of the service. The only door to prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from everfit.serving.watching import VERDICTS, Judged

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """Latency, throughput, errors by kind, what answers, how far the log is behind, and what the monitor found last."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        self._model = model
        self._latency = Histogram("everfit_request_seconds", "Time of a request.", ["model", "path"], buckets=BUCKETS,
                                  registry=self.registry)  # fmt: skip
        self._rows = Counter("everfit_rows", "Rows that were answered.", ["model", "version"], registry=self.registry)
        self._errors = Counter("everfit_errors", "Requests refused or failed.", ["model", "kind"],
                               registry=self.registry)  # fmt: skip
        self._version = self._gauge("everfit_model_version", "The version that answers.")
        self._waiting = self._gauge("everfit_log_waiting", "Answers that are not on disk yet.")
        self._lost = self._gauge("everfit_answers_lost", "Answers that were given and could not be kept.")
        self._running = self._gauge("everfit_running", "Requests under way.")
        self._lag = self._gauge("everfit_log_lag_seconds", "Age of the oldest answer that is not in the lake.")
        self._abstained = Counter("everfit_abstained", "Reasons for which predictions were held back.",
                                  ["model", "reason"], registry=self.registry)  # fmt: skip
        self._canary = self._gauge("everfit_canary_share", "Share of the requests that a canary answers.")
        self._dropped = self._gauge("everfit_shadow_dropped", "Requests that the challenger was too slow for.")
        self._info = self._gauge("everfit_model_info", "What answers: always 1.",
                                 "version", "task", "metric", "data_version", "compiled")  # fmt: skip
        self._verdict = self._gauge("everfit_drift_verdict", "1 for the last verdict, 0 for the others.",
                                    "version", "verdict")  # fmt: skip
        self._share = self._gauge("everfit_drift_share", "Share of the inputs that moved.", "version")
        self._rise = self._gauge("everfit_loss_rise", "Relative rise of the loss since promotion.", "version")
        self._judged = self._gauge("everfit_drift_judged_timestamp_seconds", "When it was judged.", "version")

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, ["model", *labels], registry=self.registry)

    def rollout(self, share: float, dropped: int) -> None:
        """Note how far a rollout is."""
        self._canary.labels(self._model).set(share)
        self._dropped.labels(self._model).set(dropped)

    def seen(self, path: str, seconds: float) -> None:
        """Note how long a request took that was answered."""
        self._latency.labels(self._model, path).observe(seconds)

    def answered(self, rows: int, version: int) -> None:
        """Count rows that were answered."""
        self._rows.labels(self._model, str(version)).inc(rows)

    def failed(self, kind: str) -> None:
        """Count a request that was not, by the kind of error."""
        self._errors.labels(self._model, kind).inc()

    def abstained(self, reasons: Iterable[str]) -> None:
        """Count why predictions were held back."""
        for reason in reasons:
            self._abstained.labels(self._model, reason).inc()

    def serves(self, card: Mapping[str, Any], version: int, compiled: bool) -> None:
        """Say what answers from now on."""
        self._info.clear()
        data = str(card["snapshot"].get("version", ""))
        facts = (str(version), card["task"], card["metric"], data, str(compiled).lower())
        self._info.labels(self._model, *facts).set(1)

    def judged(self, last: Judged) -> None:
        """Say what the monitor found last, of the version that it looked at."""
        version = str(last.version or "")
        for gauge in (self._verdict, self._share, self._rise, self._judged):
            gauge.clear()
        for verdict in VERDICTS:
            self._verdict.labels(self._model, version, verdict).set(verdict == last.verdict)
        self._share.labels(self._model, version).set(last.share)
        self._rise.labels(self._model, version).set(last.rise)
        self._judged.labels(self._model, version).set(last.at)

    def text(self, version: int | None, waiting: int, running: int, lag: float, lost: int) -> bytes:
        """Return all of it in Prometheus' format."""
        self._version.labels(self._model).set(version or 0)
        self._waiting.labels(self._model).set(waiting)
        self._running.labels(self._model).set(running)
        self._lag.labels(self._model).set(lag)
        self._lost.labels(self._model).set(lost)
        return generate_latest(self.registry)
