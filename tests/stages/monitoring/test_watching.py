from __future__ import annotations

from datetime import timedelta

import msgspec
import pyarrow as pa
import pytest
from tests.stages.monitoring.conftest import START, people

from tenure.ml.inference_log import write_labels

QUICK = {"alerting": {"fire": "2 of 3"}}


def verdicts(world, signal):
    found = [item for item in world.view.observations if item.signal == signal]
    return [item.verdict for item in sorted(found, key=lambda item: item.window_start)]


def test_quiet_days_are_ok_and_cause_nothing(world):
    world.apply()
    for day in range(3):
        world.log(day, people(400, 10 + day))
    found = world.observe(3)
    assert found.facts == ()
    assert {item.signal for item in found.observations} == {"drift", "predictions", "quality", "performance"}
    for signal in ("drift", "predictions", "quality", "performance"):
        assert verdicts(world, signal) == ["ok"] * 3, signal
    assert all(item.subject == "1" for item in found.observations)


def test_inputs_that_move_are_drift_and_only_notify(world):
    world.apply(**QUICK)
    for day in range(2):
        world.log(day, people(400, 20 + day, older=12))
    found = world.observe(2)
    assert verdicts(world, "drift") == ["critical"] * 2
    assert verdicts(world, "performance") == ["ok"] * 2
    drift = next(item for item in found.observations if item.signal == "drift")
    assert drift.evidence["columns"][0]["column"] == "age"
    assert drift.evidence["columns"][0]["gate"] == "both"
    assert drift.evidence["columns"][1]["verdict"] == "ok"
    assert {(fact.do, fact.mode) for fact in found.facts} == {("notify", "notify")}


def test_a_confirmed_loss_of_performance_proposes_one_retraining(world):
    world.apply(**QUICK)
    world.log(0, people(300, 30), wrong=0.5)
    assert world.observe(1).facts == ()
    world.log(1, people(300, 31), wrong=0.5)
    (fact,) = world.observe(2).facts
    assert (fact.do, fact.mode, fact.kind) == ("retrain", "propose", "monitoring")
    assert "performance" in fact.sentence
    assert "0.5" in fact.sentence
    assert [item["verdict"] for item in fact.evidence["windows"]] == ["critical", "critical"]
    assert fact.evidence["windows"][0]["limit"] == 0.7
    msgspec.json.encode(fact)
    world.log(2, people(300, 32), wrong=0.5)
    assert world.observe(3).facts == ()


def test_few_labels_a_month_confirm_a_loss_together(world):
    """Thirty rows a month at an accuracy of 0.5 against a limit of 0.7: no month alone is proof, two are."""
    world.apply(window={"size": "1mo"}, alerting={"fire": "3 of 5"})
    for month in range(6):
        world.log(5 + 30.4 * month, people(30, 40 + month), wrong=0.5)
    facts = [fact for month in range(1, 7) for fact in world.observe(31 * month).facts]
    found = [item for item in world.view.observations if item.signal == "performance"]
    assert [item.verdict for item in found][:4] == ["warn"] + ["critical"] * 3
    assert all(item.evidence["interval"]["high"] > 0.7 for item in found)
    assert found[1].evidence["pooled"]["high"] < 0.7
    assert found[1].evidence["pooled"]["n"] == 60
    assert [fact.do for fact in facts] == ["retrain"]
    assert facts[0].at == START + timedelta(days=31 * 4)
    assert verdicts(world, "drift")[:3] == ["insufficient_data"] * 3


def test_a_recovered_window_is_good_whatever_came_before(world):
    world.apply(**QUICK)
    world.log(0, people(300, 30), wrong=0.5)
    world.log(1, people(300, 31), wrong=0.0)
    world.observe(2)
    assert verdicts(world, "performance") == ["critical", "ok"]


def test_late_labels_judge_a_window_again_and_nothing_else_is_read_twice(world):
    world.apply()
    world.log(0, people(300, 30), labels=False)
    assert verdicts(world, "performance") == []
    world.observe(1)
    assert verdicts(world, "performance") == ["insufficient_data"]
    assert world.observe(1).observations == ()
    world.log(1, people(300, 31))
    world.observe(2)
    labels = pa.table({"id": [f"p{i}" for i in range(300)], "y": ["yes"] * 300})
    write_labels(world.folders.labels, labels, "id", "y")
    found = world.observe(2)
    assert {item.signal for item in found.observations} == {"performance"}
    assert verdicts(world, "performance") == ["critical", "ok"]
    write_labels(world.folders.labels, pa.table({"id": ["of nobody"], "y": ["no"]}), "id", "y")
    assert world.observe(2).observations == ()


def test_broken_data_holds_a_retraining_back_and_says_so(world):
    world.apply(**QUICK)
    for day in range(2):
        world.log(day, people(300, 50 + day, missing=0.4), wrong=0.6)
    found = world.observe(2)
    assert verdicts(world, "quality") == ["critical"] * 2
    assert not [fact for fact in found.facts if fact.do == "retrain"]
    (held,) = [fact for fact in found.facts if fact.key.startswith("held/")]
    assert held.mode == "notify"
    assert "held back because quality is critical" in held.sentence
    assert "age is missing in 4" in held.sentence
    for day in range(2, 6):
        world.log(day, people(300, 50 + day), wrong=0.6)
    assert [fact.do for fact in world.observe(6).facts] == ["retrain"]


def test_categories_nobody_has_seen_are_a_matter_of_quality(world):
    world.apply()
    world.log(0, people(400, 60, new_plans=0.1))
    found = {item.signal: item for item in world.observe(1).observations}
    assert found["quality"].verdict == "critical"
    assert [item["measure"] for item in found["quality"].evidence["findings"]] == ["unseen"]


def test_a_new_version_starts_with_a_clean_history(world):
    world.apply(**QUICK)
    for day in range(2):
        world.log(day, people(300, 30 + day), wrong=0.5)
    assert len(world.observe(2).facts) == 1
    world.serve(2)
    world.apply(**QUICK)
    world.log(2, people(300, 33), version=2, wrong=0.5)
    found = world.observe(3)
    assert found.facts == ()
    assert {item.subject for item in found.observations} == {"2"}
    assert {item.window_start for item in found.observations} == {START + timedelta(days=2)}


def test_a_breach_that_outlives_its_settled_cause_is_raised_again_after_the_cooldown(world):
    world.apply(alerting={"fire": "2 of 3", "cooldown": "2d"})
    for day in range(2):
        world.log(day, people(300, 30 + day), wrong=0.5)
    (fact,) = world.observe(2).facts
    world.settle(fact, 2.5)
    world.log(2, people(300, 33), wrong=0.5)
    assert world.observe(4).facts == ()
    (again,) = world.observe(5).facts
    assert again.key == f"{fact.key}#2"
    assert again.id != fact.id


def test_no_more_causes_than_the_budget_allows(world):
    policies = [{"when": "performance.critical", "do": "retrain", "cooldown": "1h", "max_per_30d": 2}]
    world.apply(policies=policies, **QUICK)
    raised = []
    for day in range(6):
        world.log(day, people(200, 30 + day), wrong=0.5)
        for fact in world.observe(day + 1).facts:
            raised.append(fact)
            world.settle(fact, day + 1)
    assert len(raised) == 2


def test_an_unreadable_segment_is_reported_and_the_rest_is_judged(world):
    world.apply()
    world.log(0, people(400, 70))
    (world.folders.predictions / "20130101T000000000000Z-half.parquet").write_bytes(b"PAR1")
    found = world.observe(1).observations
    assert {item.evidence["unreadable_files"] for item in found} == {1}
    assert {item.verdict for item in found} == {"ok"}


def test_redacted_columns_are_not_watched(world):
    world.apply()
    endpoint = world.view.records["deployment/endpoint"].value
    endpoint["log"]["redact"] = ["plan"]
    world.log(0, people(400, 70))
    found = {item.signal: item for item in world.observe(1).observations}
    assert [item["column"] for item in found["drift"].evidence["columns"]] == ["age"]
    assert [item["column"] for item in found["quality"].evidence["columns"]] == ["age"]


def test_winter_is_not_drift_against_the_same_months(world):
    world.apply(window={"size": "1mo", "min_rows": 30}, reference={"season": "month"})
    world.log(10, people(300, 80))
    drift = next(item for item in world.observe(31).observations if item.signal == "drift")
    assert drift.verdict == "ok"
    assert drift.evidence["seasonal"]
    assert drift.evidence["columns"][0]["reference_rows"] < 100


def test_nothing_is_observed_without_a_version_or_a_log(world):
    assert world.observe(1) == type(world.observe(1))()
    world.apply()
    assert world.observe(1).observations == ()


@pytest.mark.parametrize("lateness", ["0s", "6h"])
def test_windows_wait_for_late_rows(world, lateness):
    world.apply(window={"allowed_lateness": lateness})
    world.log(0, people(300, 90))
    world.log(1, people(300, 91))
    assert len({item.window_start for item in world.observe(2).observations}) == (
        2 if lateness == "0s" else 1
    )


def test_a_breach_that_is_over_takes_its_causes_back(world):
    world.apply(alerting={"fire": "2 of 3"})
    for day in range(2):
        world.log(day, people(300, 30 + day), wrong=0.5)
    (fact,) = world.observe(2).facts
    assert world.observe(2).cleared == ()
    for day in range(2, 4):
        world.log(day, people(300, 30 + day))
    assert world.observe(4).cleared == (fact.id,)


def test_causes_of_an_earlier_version_are_taken_back(world):
    world.apply(alerting={"fire": "2 of 3"})
    for day in range(2):
        world.log(day, people(300, 30 + day), wrong=0.5)
    (fact,) = world.observe(2).facts
    world.serve(2)
    world.apply(alerting={"fire": "2 of 3"})
    assert world.observe(2).cleared == (fact.id,)


@pytest.mark.parametrize(("tried", "passed", "raised"), [(2, False, 0), (None, True, 0), (None, False, 1)])
def test_no_second_retraining_while_a_challenger_is_on_its_way(world, tried, passed, raised):
    world.apply(alerting={"fire": "2 of 3"})
    world.view.records["deployment/endpoint"].value["rollout"] = {"to": tried} if tried else None
    world.view.versions[2].value["passed"] = passed
    for day in range(2):
        world.log(day, people(300, 30 + day), wrong=0.5)
    assert len(world.observe(2).facts) == raised
