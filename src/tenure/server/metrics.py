"""What Prometheus sees of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from tenure.server.follow import Follower
    from tenure.server.prediction_log import PredictionLog

# A second series per counter that says when it began: twice the size for what nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters that requests raise, and gauges read from follower and log when Prometheus asks.

    Labels come from loaded models and versions only, never from what a caller wrote.
    """

    def __init__(
        self, follower: Follower, log: PredictionLog, in_flight: Callable[[], dict[str, int]]
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tenure_requests",
            "Prediction requests by answer.",
            ["model", "version", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tenure_request_seconds",
            "Time from the head of a prediction request to its answer.",
            ["model"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.rows = Counter("tenure_rows", "Rows predicted.", ["model", "version"], registry=self.registry)
        self.flags = Counter(
            "tenure_flagged_values",
            "Values predicted for although training never saw their like: unseen or out_of_range.",
            ["model", "field", "code"],
            registry=self.registry,
        )
        self.registry.register(_Gauges(follower, log, in_flight))

    def render(self) -> bytes:
        """The exposition in Prometheus' text format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(
        self, follower: Follower, log: PredictionLog, in_flight: Callable[[], dict[str, int]]
    ) -> None:
        self._follower = follower
        self._log = log
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        table = self._follower.table
        yield GaugeMetricFamily(
            "tenure_state_serial", "Serial of the state that is served.", value=table.serial
        )
        yield GaugeMetricFamily(
            "tenure_state_unreadable",
            "1 while the state cannot be read.",
            value=float(self._follower.error is not None),
        )
        yield GaugeMetricFamily(
            "tenure_table_swaps", "Routing tables put in place.", value=self._follower.swaps
        )
        loaded = GaugeMetricFamily(
            "tenure_loaded_versions",
            "Versions in memory, the replaced ones included.",
            labels=["model", "version"],
        )
        counts: dict[tuple[str, str], int] = {}
        for version in list(self._follower.loaded):
            key = (version.model, str(version.number))
            counts[key] = counts.get(key, 0) + 1
        for key, count in counts.items():
            loaded.add_metric(list(key), count)
        yield loaded
        shares = GaugeMetricFamily(
            "tenure_traffic_share", "Share of the traffic a version gets.", labels=["model", "version"]
        )
        problems = GaugeMetricFamily(
            "tenure_endpoint_problem", "1 while the recorded endpoint cannot be served.", labels=["model"]
        )
        for name, endpoint in table.endpoints.items():
            for number, share in endpoint.shares.items():
                shares.add_metric([name, str(number)], share / 100)
            problems.add_metric([name], float(endpoint.problem is not None))
        yield shares
        yield problems
        flights = GaugeMetricFamily(
            "tenure_requests_in_flight", "Prediction requests in work.", labels=["model"]
        )
        for name, count in self._in_flight().items():
            flights.add_metric([name], count)
        yield flights
        log = self._log
        yield GaugeMetricFamily(
            "tenure_log_queue_rows", "Predictions waiting to be logged.", value=log.queued
        )
        for name, text, value in (
            ("tenure_log_written_rows", "Predictions written to the log.", log.written),
            ("tenure_log_dropped_rows", "Predictions that were not logged: the queue was full.", log.dropped),
            ("tenure_log_errors", "Attempts to write the log that failed.", log.errors),
        ):
            yield GaugeMetricFamily(name, text, value=value)
