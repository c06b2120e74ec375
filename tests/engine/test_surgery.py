"""The state of a real project is listed, copied, moved to another environment, and never loses what must not vanish."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.projects import NOW, write_flowers, write_spec

from tenure.core.errors import StateError
from tenure.engine import surgery
from tenure.engine.project import Project


def project(root: Path, *overrides: str) -> Project:
    return Project(root, overrides=overrides, now=NOW, actor="ann")


def test_what_is_in_a_state(applied: Path) -> None:
    listed = surgery.listed(project(applied))
    assert listed.inventory is not None
    (model,) = listed.inventory.models
    state = project(applied).state("flowers")
    assert (model.model, model.serial, model.lineage) == ("flowers", state.serial, state.lineage)
    assert (model.versions, model.open_steps, model.retired, model.lease) == (1, 0, False, None)
    assert model.records == len(project(applied).reader.history("flowers"))
    assert listed.live == {"flowers": {1: 100}}
    assert model.size > 5_000


def test_a_state_that_was_taken_over_plans_nothing(applied: Path) -> None:
    """Another environment with the same artifacts: the recorded past is all that a plan needs."""
    surgery.export_to(project(applied), applied / "x.ndjson")
    other = project(applied, "env=prod")
    surgery.import_from(other, applied / "x.ndjson")
    assert not other.plan().changed
    assert other.state("flowers") == project(applied).state("flowers")


def test_protection_survives_an_export_from_before_it(applied: Path) -> None:
    surgery.export_to(project(applied), applied / "before.ndjson")
    write_spec(applied, {"lifecycle": {"prevent_destroy": True}})
    own = project(applied)
    assert own.apply(own.plan()).exit_code == 0
    before = b"".join(surgery.exported(own))
    with pytest.raises(StateError, match="the protection of flowers"):
        surgery.import_from(own, applied / "before.ndjson", replace=True)
    assert b"".join(surgery.exported(own)) == before


def test_a_version_that_serves_survives_an_export_from_before_it(applied: Path) -> None:
    surgery.export_to(project(applied), applied / "before.ndjson")
    write_flowers(applied / "data" / "flowers.csv", rows=160, seed=4)
    own = project(applied)
    own.retrain("flowers", reason="more rows")
    assert own.apply(own.plan()).exit_code == 0
    with pytest.raises(StateError, match="version 2 of flowers"):
        surgery.import_from(own, applied / "before.ndjson", replace=True)
    assert list(own.state("flowers").versions) == [1, 2]

    # Once the first one serves again, the second may go.
    assert own.apply(own.rollback("flowers", to=1, reason="incident 7")).exit_code == 0
    surgery.import_from(own, applied / "before.ndjson", replace=True)
    assert list(project(applied).state("flowers").versions) == [1]
