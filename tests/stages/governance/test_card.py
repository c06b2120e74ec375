"""The model card: facts only, what is missing said to be missing, and nothing that breaks out of its cell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml

from tenure.stages.governance.card import markdown
from tenure.state.record import Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(local: str, value: dict[str, Any]) -> Record:
    return Record(f"m/{local}", "artifact", "", "", "", {}, {}, "sha256:x", value, {}, {}, NOW, "a", "a", 1)  # type: ignore[arg-type]


def card(adopted: dict[str, Any] | None = None, **texts: str) -> str:
    records = {
        "data/snapshot": record(
            "data/snapshot",
            {
                "rows": 120,
                "task": "binary",
                "target": "kind",
                "split": {"train": 90, "test": 30},
                "time_range": None,
                "columns": [
                    {"name": "age", "sensitive": True},
                    {"name": "phone", "pii": True},
                    {"name": "kind"},
                ],
            },
        ),
        "training/search": record(
            "training/search",
            {"trials": 12, "metric": "roc_auc", "score": 0.81234, "params": {"max_depth": 3}},
        ),
        "evaluation/report": record(
            "evaluation/report",
            {
                "metrics": {"roc_auc": {"value": 0.8, "low": 0.7, "high": 0.9}},
                "baseline": {"metrics": {"roc_auc": {"value": 0.5, "low": 0.5, "high": 0.5}}},
                "gates": [{"text": "roc_auc 0.8 >= 0.7", "passed": True}],
            },
        ),
    }
    records["data/snapshot"].config["data"] = {"contract": {"license": "CC0-1.0", "legal_basis": "consent"}}
    version = {
        "number": 3,
        "algorithm": "xgboost",
        "trained_at": "2026-01-01T00:00:00Z",
        "passed": True,
        "failed": [],
        "lineage": {
            "data": {
                "digest": "sha256:d",
                "read_at": "2026-01-01T00:00:00Z",
                "sources": {"flowers": {"digest": "sha256:f"}},
            },
            "made_from": {"training/model": "sha256:m"},
            "causes": [{"id": "f1", "kind": "breach", "sentence": "Accuracy fell."}],
            "environment": {"python": "3.11"},
            "code": {"tenure": "0.1.0", "digest": "sha256:c"},
            "seed": 7,
        },
    }
    if adopted:
        version["adopted"] = adopted
        records["evaluation/report"].value["caution"] = "It may have seen the test part."
    config = {"metadata": {"name": "m", "owner": "team | <b>x</b>"}, "governance": texts}
    return markdown("m", config, version, records)


def test_the_front_matter_is_yaml_with_the_keys_of_model_hubs() -> None:
    header = yaml.safe_load(card(license="Apache-2.0").split("---")[1])
    assert header["license"] == "Apache-2.0"
    assert header["pipeline_tag"] == "tabular-classification"
    assert header["version"] == 3


def test_facts_are_in_it_and_missing_texts_are_named() -> None:
    text = card(intended_use="Teaching.")
    for fact in (
        "| roc_auc | 0.8 | 0.7 to 0.9 | 0.5 |",
        "Teaching.",
        "Accuracy fell.",
        "| Rows | 120 |",
        "| Licence of the data | CC0-1.0 |",
        "| Legal basis | consent |",
        "| Sensitive columns | age |",
        "| Personal columns | phone |",
        "`sha256:m`",
    ):
        assert fact in text
    assert "Set `governance.limitations` in the spec." in text


def test_texts_cannot_break_out_of_their_cell() -> None:
    row = next(line for line in card().splitlines() if line.startswith("| Owner"))
    assert row == "| Owner | team \\| &lt;b>x&lt;/b> |"


def test_an_adopted_model_says_where_it_comes_from_and_claims_no_training() -> None:
    origin = {"path": "models/a|b.skops", "type": "skops", "digest": "sha256:f", "by": "ann", "at": "2026-01-02",
              "made_with": "scikit-learn 1.4.0"}  # fmt: skip
    text = card(adopted=origin)
    for fact in (
        "| Adopted from | `models/a\\|b.skops` (skops) |",
        "| Digest of the file | `sha256:f` |",
        "| Adopted by | ann, 2026-01-02 |",
        "| Made with | scikit-learn 1.4.0 |",
        "It may have seen the test part.",
        "The model was fitted elsewhere.",
    ):
        assert fact in text
    assert "2026-01-01T00:00:00Z" not in text.partition("## Intended use")[0]
    assert "Seed" not in text
