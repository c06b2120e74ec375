from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import msgspec
import pytest
from tests.pages import Page, inside, plots, screenshot

from tenure.artifacts.folder import FolderArtifactStore
from tenure.graph.resource import Sort
from tenure.render.search import search_lines
from tenure.stages.training.importance import FEWEST, importances
from tenure.stages.training.report import report_html, report_of
from tenure.stages.training.results import results, results_of, spread
from tenure.state.record import ModelState, Record
from tenure.state.store import Trial

NOW = datetime(2026, 5, 3, tzinfo=UTC)
EVIL = '<script>alert("x")</script>'


def made(count=60, seed=1):
    """Trials of two algorithms: of the first only the rate matters, the second is worse whatever it is given."""
    chance, trials, clock = random.Random(seed), [], 0.0
    for n in range(count):
        if n % 3:
            params = {
                "rate": 10 ** chance.uniform(-3, -0.5),
                "depth": chance.randint(2, 12),
                "kind": chance.choice("ab"),
            }
            score = 0.9 - 0.05 * (math.log10(params["rate"]) + 2) ** 2
            name = "xgboost"
        else:
            params, score, name = {"C": 10 ** chance.uniform(-3, 3)}, 0.7, "logistic_regression"
        folds = tuple(score + chance.gauss(0, 0.002) for _ in range(5))
        status = "stopped" if n % 7 == 3 else "failed" if n == 29 else "done"
        scores = folds[:2] if status == "stopped" else () if status == "failed" else folds
        seconds = round(chance.uniform(0.1, 2), 3)
        trials.append(
            Trial(
                n, name, params, scores, sum(folds) / 5 if status == "done" else None, status, seconds,
                note="the loss is not finite" if status == "failed" else "", started=clock,
                curve={10: 0.6, 50: 0.4} if name == "xgboost" else {},
            )
        )  # fmt: skip
        clock += seconds
    return tuple(trials)


def record(trials, artifacts=None, **value):
    done = [trial for trial in trials if trial.score is not None]
    best = max(done, key=lambda trial: trial.score) if done else None
    contents = {
        "algorithm": best.algorithm if best else "", "params": best.params if best else {}, "metric": "roc_auc",
        "goal": "maximize", "score": best.score if best else 0.0, "trial": best.number if best else 0,
        "trials": len(trials), "cross_validation": "5 stratified folds", "ended_by": "timeout", "cached": 2,
    }  # fmt: skip
    return Record(
        address="m/training/search", sort=Sort.ARTIFACT, fingerprint="f", content="c", metadata="m", config={},
        effects={}, digest="d", value=contents | value, artifacts=artifacts or {}, inputs={}, at=NOW, by="me",
        apply_id="a", serial=1,
    )  # fmt: skip


def test_what_a_search_did_adds_up():
    trials = made()
    found = results(record(trials).value, trials)
    assert sum(item.trials for item in found.algorithms) == 60
    assert sum(item.share for item in found.algorithms) == pytest.approx(1)
    assert found.ranked[0].score == max(trial.score for trial in trials if trial.score is not None)
    assert [score for _, _, score in found.progress] == sorted(score for _, _, score in found.progress)
    assert found.progress[-1][2] == found.ranked[0].score
    assert found.given_up == {2: sum(trial.status == "stopped" for trial in trials)}
    assert found.failures == {"xgboost: the loss is not finite": 1}
    assert found.seconds == pytest.approx(sum(trial.seconds for trial in trials))


def test_of_scores_to_minimise_the_smallest_is_best():
    trials = [
        Trial(n, "ridge", {"alpha": float(n)}, (s,), s, "done", 1.0) for n, s in enumerate((3.0, 1.0, 2.0))
    ]
    found = results(record(trials, goal="minimize", metric="rmse").value, trials)
    assert [trial.number for trial in found.ranked] == [1, 2, 0]
    assert [score for _, _, score in found.progress] == [3.0, 1.0]
    assert found.algorithms[0].best == 1.0


def test_the_error_of_a_score_comes_from_its_folds_or_is_the_one_recorded():
    assert spread(Trial(0, "a", {}, (1.0, 2.0, 3.0), 2.0, "done", 1.0)) == pytest.approx(1 / math.sqrt(3))
    assert spread(Trial(0, "a", {}, (1.0,), 1.0, "done", 1.0, noise=0.2)) == 0.2
    assert spread(Trial(0, "a", {}, (1.0,), 1.0, "done", 1.0)) is None


def test_the_parameter_that_decides_is_found():
    found = [item for item in importances(made(), "maximize") if item.algorithm == "xgboost"]
    assert found[0].parameter == "rate"
    assert found[0].share > 0.7
    assert {item.parameter for item in found} == {"rate", "depth", "kind"}
    assert sum(item.share for item in found) == pytest.approx(1, abs=0.01)
    assert found == [item for item in importances(made(), "maximize") if item.algorithm == "xgboost"]


@pytest.mark.parametrize(
    "trials",
    [
        made()[: FEWEST - 1],
        [Trial(n, "a", {"x": 1}, (0.5,), 0.5, "done", 1.0) for n in range(20)],
        [Trial(n, "a", {"x": n}, (0.5,), 0.5, "done", 1.0) for n in range(20)],
        [
            Trial(n, "a", {"x": n, "only": 1} if n % 2 else {"y": n}, (n / 20,), n / 20, "done", 1.0)
            for n in range(20)
        ],
        [Trial(n, "a", {"x": n}, (), None, "failed", 1.0) for n in range(20)],
    ],
)
def test_of_too_few_or_equal_trials_nothing_is_said(trials):
    assert [item for item in importances(trials, "maximize") if item.algorithm != "xgboost"] == []


def test_parameters_of_any_type_are_compared():
    values = [True, False, None, "a", 3]
    trials = [
        Trial(
            n,
            "a",
            {"mixed": values[n % 5], "flag": n % 2 == 0, "x": float(n)},
            (n % 2 / 2,),
            n % 2 / 2,
            "done",
            1.0,
        )
        for n in range(30)
    ]
    assert importances(trials, "maximize")[0].parameter == "flag"


@pytest.fixture(scope="module")
def page():
    trials = made()
    weighed = [
        {"trial": 1, "algorithm": "xgboost", "score": 0.9, "size": 120_000, "milliseconds": 0.2, "near": True,
         "front": True}
    ]  # fmt: skip
    return report_html("m", record(trials, weighed=weighed), results(record(trials).value, trials), NOW)


def test_the_page_says_what_came_out_and_why_it_ended(page):
    found = Page(page)
    assert found.open == []
    assert found.loads == []
    for text in (
        "xgboost: roc_auc",
        "the time that timeout allows was over",
        "5 stratified folds",
        "the loss is not finite",
        "Loss by rounds",
        "Score against size",
        "functional ANOVA",
    ):
        assert text in found.words, text


def test_every_plot_is_drawn_inside_its_frame(page):
    found = plots(page)
    assert len(found) >= 8
    assert all(map(inside, found))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_trials_make_a_page_too(count):
    trials = made(count)
    html = report_html("m", record(trials), results(record(trials).value, trials), NOW)
    assert Page(html).open == []
    assert all(map(inside, plots(html)))


def test_a_search_without_a_finished_trial_and_one_of_thousands(page):
    nothing = [Trial(n, "a", {"x": n}, (), None, "failed", 1.0, note="why") for n in range(3)]
    assert Page(report_html("m", record(nothing), results(record(nothing).value, nothing), NOW)).open == []
    many = made(4000)
    found = results(record(many).value, many)
    assert len(report_html("m", record(many), found, NOW)) < 600_000


def test_names_and_notes_stay_text():
    trials = [
        Trial(n, EVIL, {EVIL: EVIL if n % 2 else "b"}, (n / 9,), n / 9, "done", 1.0, note=EVIL)
        for n in range(9)
    ]
    trials.append(Trial(9, EVIL, {}, (), None, "failed", 1.0, note=EVIL))
    found = results(record(trials).value, trials)
    assert "<script" not in report_html(EVIL, record(trials), found, NOW)


def test_it_is_read_from_the_record_and_a_lost_list_is_no_error(tmp_path):
    store = FolderArtifactStore(tmp_path)
    stored = record(made(), {"trials": store.put(msgspec.json.encode(list(made())))})
    state = ModelState(model="m", lineage="l", serial=1, records={"training/search": stored})
    assert "Search report" in report_of(state, store, NOW)
    lost = record(made(), {"trials": "sha256:" + "0" * 64})
    assert results_of(lost, store) is None
    assert results_of(record(made(), stored.artifacts, adopted={"type": "skops"}), store) is None
    assert report_of(ModelState(model="m", lineage="l", serial=0), store, NOW) is None


def test_in_words_the_best_trials_and_what_decided():
    trials = made()
    words = "\n".join(
        line.text for line in search_lines(record(trials), results(record(trials).value, trials))
    )
    for text in (
        "winner",
        "rate ",
        "Best trials",
        "What decided",
        "xgboost",
        "1 × xgboost: the loss is not finite",
    ):
        assert text in words, text
    assert "tenure report m search" in words


def test_what_nested_folds_came_to_is_said():
    trials = made()
    nested = {"score": 0.8512, "scores": [0.84, 0.86, 0.8536], "optimism": 0.03}
    for asked, expected in ((nested, True), (nested | {"score": None}, False), (None, False)):
        found = record(trials, **({} if asked is None else {"nested": asked}))
        words = "\n".join(line.text for line in search_lines(found, results(found.value, trials)))
        assert ("0.8512 on rows no trial has seen: mean of 3 outer folds" in words) is expected


@pytest.mark.browser
def test_a_browser_draws_it(page, chromium, tmp_path):
    assert len(screenshot(chromium, page, tmp_path / "search.png", height=2400)) > 80_000
    assert len(screenshot(chromium, page, tmp_path / "dark.png", dark=True, height=2400)) > 80_000
