"""What Prometheus sees of the service. The only door to prometheus_client."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """Latency, throughput, errors by kind, the version that answers, and how far the log is behind."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        self._model = model
        self._latency = Histogram("everfit_request_seconds", "Time of a request.", ["model", "path"], buckets=BUCKETS,
                                  registry=self.registry)  # fmt: skip
        self._rows = Counter("everfit_rows", "Rows that were answered.", ["model", "version"], registry=self.registry)
        self._errors = Counter("everfit_errors", "Requests refused or failed.", ["model", "kind"],
                               registry=self.registry)  # fmt: skip
        self._version = Gauge("everfit_model_version", "The version that answers.", ["model"], registry=self.registry)
        self._waiting = Gauge("everfit_log_waiting", "Answers that are not on disk yet.", ["model"],
                              registry=self.registry)  # fmt: skip
        self._running = Gauge("everfit_running", "Requests under way.", ["model"], registry=self.registry)

    def seen(self, path: str, seconds: float) -> None:
        """Note how long a request took that was answered."""
        self._latency.labels(self._model, path).observe(seconds)

    def answered(self, rows: int, version: int) -> None:
        """Count rows that were answered."""
        self._rows.labels(self._model, str(version)).inc(rows)

    def failed(self, kind: str) -> None:
        """Count a request that was not, by the kind of error."""
        self._errors.labels(self._model, kind).inc()

    def text(self, version: int | None, waiting: int, running: int) -> bytes:
        """Return all of it in Prometheus' format."""
        self._version.labels(self._model).set(version or 0)
        self._waiting.labels(self._model).set(waiting)
        self._running.labels(self._model).set(running)
        return generate_latest(self.registry)
