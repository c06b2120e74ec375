from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from plans import HOSTILE, change, hostile, model, plan, retraining, unchanged, waiting

from tenure.core.effect import Effect
from tenure.plan.action import Action, Reason
from tenure.plan.change import FieldChange
from tenure.plan.view import Blocker, Condition
from tenure.render.page import cells_of
from tenure.render.plan import plan_lines
from tenure.render.text import Screen, paint

GOLDEN = """\
1 of 3 models changes, 1 waits, 1 is unchanged.

  -/+  weather  retrain  1 to update, 2 to replace, 1 to promote  at least 1 min 14 s
    ?  fraud    waits    1 blocked

Worst effect  retrain: retrains, starting at the first step whose input changed.
Time          at least 1 min 14 s (3 of 4 steps have no history)
Approval      weather: approved by model_owner
Blocked  fraud/deployment/endpoint: approval by risk is missing
    tenure approve fraud@4 --role risk --reason "..."

weather  specs/weather.yaml
  note    366 new rows since the snapshot.
  -/+ training/search  training.algorithms.xgboost.search_space.max_depth.high changed.  (known after apply)
        ~ training.algorithms.xgboost.search_space.max_depth.high  8 -> 10  [retrain]
        + training.seed  (not set) -> 7  [retrain]
  -/+ training/model  training/search is made anew.  (known after apply)
        because performance was critical in 2 of 3 windows (value 0.5213, min 0.6, window 2013-01).
    > deployment/endpoint  The new version takes over.  (known after apply)
        if      promote if accuracy >= 0.65
        if      approved by model_owner
        note    No server has been seen.
    ~ monitoring/monitor  monitoring.signals.drift.critical changed.
        ~ monitoring.signals.drift.critical  0.2 -> 0.3  [operate]
        value   version  2 -> 3
    = 1 unchanged

fraud  specs/fraud.yaml
    ? deployment/endpoint  Version 4 waits. (would promote)
        blocked approval by risk is missing
                tenure approve fraud@4 --role risk --reason "..."
    = 1 unchanged

Carry it out with:  tenure apply weather --env prod
"""


def text(*models, width=110, colour=False, **given):
    return paint(plan_lines(plan(*models), **given), Screen(width=width, colour=colour))


def test_the_whole_view():
    shown = text(retraining(), waiting(), unchanged(), where=("--env", "prod"))
    title, rest = shown.split("\n", 1)
    assert title.startswith("Plan ")
    assert title.endswith(" for dev  2013-01-31 06:00 UTC")
    assert rest == GOLDEN


def test_a_plan_without_changes_is_two_lines_and_suggests_nothing():
    shown = text(unchanged("a"), unchanged("b")).splitlines()
    assert shown[1:] == ["Nothing to do: 2 models are as their specs say."]


def test_models_that_stay_are_only_counted():
    shown = text(retraining(), *(unchanged(f"model-{number}") for number in range(500)))
    assert "1 of 501 models changes, 500 are unchanged." in shown
    assert "model-7" not in shown


def test_a_plan_of_many_models_stays_readable():
    many = [model(f"m-{n}", change(f"m-{n}/training/model", Action.REPLACE)) for n in range(200)]
    shown = text(*many)
    assert "and 160 more" in shown
    assert "m-199" not in shown
    assert "200 of 200 models change." in shown


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_but_commands_is_wider_than_the_screen(width):
    for row in text(retraining(), waiting(), unchanged(), width=width).splitlines():
        assert cells_of(row) <= width or row.lstrip().startswith(("tenure ", "Carry it out with:"))


def test_colour_changes_no_word():
    import re

    coloured = text(retraining(), waiting(), hostile(), colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(retraining(), waiting(), hostile())


def test_hostile_names_are_shown_and_not_obeyed():
    shown = text(hostile())
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert r"[bold]x[/bold]\x1b[31m" in shown
    assert HOSTILE not in shown


def test_a_long_value_is_clipped():
    long = FieldChange("data.filter", "a" * 500, "b" * 500, Effect.RETRAIN)
    shown = text(model("m", change("m/data/snapshot", Action.REPLACE, fields=(long,))))
    assert "a" * 40 in shown
    assert "a" * 60 not in shown


def test_a_plan_that_only_waits_says_so():
    assert "1 of 2 models waits, 1 is unchanged." in text(waiting(), unchanged())


def test_an_emptied_list_is_told_by_its_leaves():
    gone = change(
        "m/deployment/endpoint",
        Action.RETIRE,
        before={"routes": [{"version": 2}], "released": []},
        after={"routes": [], "released": [2]},
    )
    rows = [row.split() for row in text(model("m", gone)).splitlines() if row.lstrip().startswith("value")]
    assert rows == [
        ["value", "released[0]", "(not", "set)", "->", "2"],
        ["value", "routes[0].version", "2", "->", "(not", "set)"],
    ]


def test_conditions_are_said_once():
    shown = text(
        model(
            "m",
            change(
                "m/deployment/endpoint", Action.UPDATE, conditions=(Condition("gate", "accuracy >= 0.65"),)
            ),
            change(
                "m/monitoring/monitor", Action.UPDATE, conditions=(Condition("gate", "accuracy >= 0.65"),)
            ),
        )
    )
    assert shown.count("accuracy >= 0.65") == 1
    assert "what deployment/endpoint waits for holds" in shown


def test_time_is_said_to_be_unknown_without_history():
    assert "Time  unknown: none of these steps has run before" in text(
        model("m", change("m/data/snapshot", Action.CREATE, seconds=None), serial=0)
    )


def test_an_edit_of_a_threshold_says_that_nothing_retrains():
    edit = FieldChange("monitoring.signals.drift.critical", 0.2, 0.3, Effect.OPERATE)
    shown = text(
        model("m", change("m/monitoring/monitor", Action.UPDATE, effect=Effect.OPERATE, fields=(edit,)))
    )
    assert "operate: no retraining" in shown
    assert "operate: updates the monitor and never retrains." in shown


def test_waiting_for_another_step_is_not_listed_as_a_blocker_of_its_own():
    need = change(
        "m/training/model",
        Action.BLOCKED,
        reason=Reason.NEED_BLOCKED,
        blockers=(Blocker("need", "data/snapshot could not be brought up to date"),),
    )
    first_screen = text(model("m", need), details=False)
    assert "could not be brought" not in first_screen


def test_a_model_without_a_spec_is_named_with_the_way_to_end_its_life():
    shown = paint(plan_lines(plan(unchanged(), unmanaged=("old-one",))))
    assert "old-one: recorded, but no spec file names them. Nothing is deleted." in shown
