"""Gate `latency`: the model answers fast enough, one row at a time."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from tenure.core.effect import Effect
from tenure.core.units import parse_duration
from tenure.spec.base import DurationText, FieldProblem, field
from tenure.stages.evaluation.gates.gate import Evidence, GateBase, Verdict, verdict

ROWS = 200
RUNS = 5
WARM_UP = 20


class LatencyGate(GateBase):
    """The time from a decoded row to its prediction, measured one row after the other on the machine that evaluates.

    Other work on that machine only ever makes it slower, so the best of up to five runs counts. What a request costs
    besides (network, decoding, logging) is not in it.
    """

    type: Literal["latency"] = field(Effect.EVALUATE, "The kind of gate.")
    p50: DurationText | None = field(
        Effect.EVALUATE, "Longest time that half of the predictions may take.", None, examples=["5ms"]
    )
    p99: DurationText | None = field(
        Effect.EVALUATE, "Longest time that 99 % of the predictions may take.", None, examples=["20ms"]
    )

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.p50 is None and self.p99 is None:
            raise FieldProblem("the gate has no limit", hint="add p99")
        return self

    def condition(self) -> str:
        """`p99 latency <= 20ms`."""
        return " and ".join(f"{name} latency <= {limit}" for name, limit in self._limits())

    def judge(self, evidence: Evidence) -> Verdict:
        """Predict rows of the test part one by one, and compare the best run with the limits."""
        import numpy as np

        assert evidence.predictor is not None
        assert evidence.table is not None
        limits = {name: parse_duration(text).approximate_seconds for name, text in self._limits()}
        rows = evidence.table.select([column.name for column in evidence.predictor.signature.inputs])
        decoded = rows.slice(0, ROWS).to_pylist()
        timed(evidence.predictor, decoded[:WARM_UP])
        best = dict.fromkeys(limits, float("inf"))
        for _ in range(RUNS):
            seconds = timed(evidence.predictor, decoded)
            for name in limits:
                best[name] = min(best[name], float(np.quantile(seconds, int(name[1:]) / 100)))
            if all(best[name] <= limits[name] for name in limits):
                break
        passed = all(best[name] <= limits[name] for name in limits)
        text = " and ".join(
            f"{name} {_shown(best[name])} {'<=' if best[name] <= limits[name] else '>'} {limit}"
            for name, limit in self._limits()
        )
        first = next(iter(limits))
        return verdict(
            self, "latency", first, f"{text} for one row, measured on this machine", passed=passed,
            value=best[first], limit=limits[first], measured=True,
        )  # fmt: skip

    def _limits(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in (("p50", self.p50), ("p99", self.p99)) if text is not None]


def timed(predictor: Any, decoded: list[dict[str, Any]]) -> list[float]:
    """Seconds of each prediction, from a row as a caller sends it."""
    import time

    from tenure.ml.signature import rows_to_table

    taken = []
    for row in decoded:
        began = time.perf_counter()
        predictor.predict(rows_to_table(predictor.signature, [row]))
        taken.append(time.perf_counter() - began)
    return taken


def _shown(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"
