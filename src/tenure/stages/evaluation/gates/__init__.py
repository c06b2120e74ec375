"""What a model has to pass to be released. A kind is one file with its YAML fields and one verb.

`condition()` says in advance what is demanded; `judge(evidence)` says whether it holds.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from tenure.stages.evaluation.gates.baseline import BaselineGate
from tenure.stages.evaluation.gates.champion import ChampionGate
from tenure.stages.evaluation.gates.metric import MetricGate

__all__ = ["BaselineGate", "ChampionGate", "Gate", "MetricGate"]


def _kind(block: Any) -> str | None:
    """A gate without `type` is a metric gate."""
    kind = block.get("type", "metric") if isinstance(block, dict) else getattr(block, "type", None)
    return kind if isinstance(kind, str) else None


Gate = Annotated[
    Annotated[MetricGate, Tag("metric")]
    | Annotated[BaselineGate, Tag("baseline")]
    | Annotated[ChampionGate, Tag("champion")],
    Discriminator(_kind),
]
"""Every kind of gate. A new kind is one file and one line here."""
