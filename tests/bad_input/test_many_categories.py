"""A text column with 200,000 different values as a feature, for the whole life: nothing grows with their number, and a
value never seen is an ordinary request. The preparation itself is in tests/ml/test_recipe, the profile in
tests/ml/test_profile.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.bad_input.conftest import apply, serving

from tenure.engine.project import Project

CATEGORIES = 200_000
SIGNALS = """
monitoring:
  window: {size: 1d, min_rows: 50}
  signals: {drift: {type: data_drift}, quality: {type: data_quality}}
"""


def test_it_is_learned_served_and_watched(
    project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"c-{i},{i % 97},{'yes' if i % 97 > 40 else 'no'}\n" for i in range(CATEGORIES))
    root = project(
        f"c,a,y\n{rows}", rest=f"features: {{include: [c, a], leakage: {{allow: [a]}}}}\n{SIGNALS}"
    )
    began = time.monotonic()
    assert apply(root) == 0
    assert time.monotonic() - began < 60

    state = Project(root).state("m")
    assert state.records["features/recipe"].value["features"] == ["c", "a"]
    stored = root / ".tenure/dev"
    assert sum(file.stat().st_size for file in stored.rglob("*") if file.is_file()) < 5_000_000
    assert max(len(json.dumps(record.value)) for record in state.records.values()) < 20_000

    running = serving(root)
    try:
        connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=20)
        batch = {"rows": [{"c": f"new-{i}", "a": 90} for i in range(200)]}
        connection.request("POST", "/models/m/predict", json.dumps(batch))
        answer = json.loads(connection.getresponse().read())
        connection.close()
    finally:
        running.stop()
    assert {item["prediction"] for item in answer["predictions"]} == {"yes"}
    later = datetime.now(UTC) + timedelta(days=2)
    verdicts = {item.signal: item.verdict for item in Project(root, now=later).observe().observations}
    assert verdicts["drift"] == "critical", "a is 90 in every row"
    assert "quality" in verdicts
    assert "Traceback" not in "".join(capsys.readouterr())
