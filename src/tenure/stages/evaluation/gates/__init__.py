"""What a model has to pass to be released. A kind is one file with its YAML fields and one verb.

`condition()` says in advance what is demanded; `judge(evidence)` says whether it holds.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenure.spec.base import DefaultKind
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


Gate = Annotated[
    MetricGate | BaselineGate | ChampionGate | ValueGate | LatencyGate | SizeGate | CoverageGate,
    Field(discriminator="type"),
    DefaultKind("metric"),
]
"""Every kind of gate. A new kind is one file and one entry here. One without `type` is a metric gate."""
