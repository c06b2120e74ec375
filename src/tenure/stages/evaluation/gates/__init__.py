"""What a model has to pass to be released. A kind is one file with its YAML fields and one verb.

`condition()` says in advance what is demanded; `judge(evidence)` says whether it holds.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from tenure.stages.evaluation.gates.baseline import BaselineGate
from tenure.stages.evaluation.gates.champion import ChampionGate
from tenure.stages.evaluation.gates.coverage import CoverageGate
from tenure.stages.evaluation.gates.latency import LatencyGate
from tenure.stages.evaluation.gates.metric import MetricGate
from tenure.stages.evaluation.gates.size import SizeGate
from tenure.stages.evaluation.gates.value import ValueGate

__all__ = [
    "BaselineGate",
    "ChampionGate",
    "CoverageGate",
    "Gate",
    "LatencyGate",
    "MetricGate",
    "SizeGate",
    "ValueGate",
]


def _kind(block: Any) -> str | None:
    """A gate without `type` is a metric gate."""
    kind = block.get("type", "metric") if isinstance(block, dict) else getattr(block, "type", None)
    return kind if isinstance(kind, str) else None


Gate = Annotated[
    Annotated[MetricGate, Tag("metric")]
    | Annotated[BaselineGate, Tag("baseline")]
    | Annotated[ChampionGate, Tag("champion")]
    | Annotated[ValueGate, Tag("value")]
    | Annotated[LatencyGate, Tag("latency")]
    | Annotated[SizeGate, Tag("size")]
    | Annotated[CoverageGate, Tag("coverage")],
    Discriminator(_kind),
]
"""Every kind of gate. A new kind is one file and one line here."""
