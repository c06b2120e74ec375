"""Trials side by side: the same search whatever runs when, what is known is not tried again, time limits are kept."""

from __future__ import annotations

import dataclasses
import time
import warnings
from concurrent.futures import Future

import numpy as np
import pyarrow as pa
import pytest
from tests.stages.lab import Lab

from tenure.core.errors import Interrupted, StageError
from tenure.core.events import Note
from tenure.executors.local import LocalExecutor
from tenure.stages.training import algorithm, loop, search
from tenure.stages.training.algorithm import quietly
from tenure.stages.training.ridge import Ridge
from tenure.stages.training.section import Training
from tenure.stages.training.trying import run_trial

ALGORITHMS = {
    "hist_gradient_boosting": {"search_space": {"max_iter": {"type": "fixed", "value": 12}}},
    "logistic_regression": {},
}


def table(rows=90):
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=rows), generator.normal(size=rows)
    y = np.where(a + 0.5 * b + generator.normal(size=rows) * 0.6 > 0, "yes", "no")
    return pa.table({"a": a, "b": b, "y": y})


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path, table(), "y")
    made.make_features()
    yield made
    made.executor.close()


def elsewhere(lab, name="other"):
    """The same lab with nothing known from before."""
    other = lab.again()
    other.folder = lab.folder / name
    other.folder.mkdir()
    return other


def told(lab):
    (kept,) = lab.trials.kept.values()
    return [
        (trial.number, trial.algorithm, trial.params, trial.scores, trial.score, trial.status, trial.curve)
        for trial in kept
    ]


class Whimsical:
    """Work ends in an order that has nothing to do with the one it began in."""

    in_process = True
    cores = 3

    def __init__(self, workers, seed):
        self.workers = workers
        self._draw = np.random.default_rng(seed)
        self._waiting = []

    def share(self, folder):
        return str(folder)

    def unshare(self, reference):
        pass

    def submit(self, work, argument, *, needs=None, apart=False):
        future = Future()
        self._waiting.append((work, argument, future))
        # As many as there are workers are held back, and one of them is done when there is no room for more.
        if len(self._waiting) >= self.workers:
            self._finish(int(self._draw.integers(len(self._waiting))))
        return future

    def _finish(self, position):
        work, argument, future = self._waiting.pop(position)
        future.set_result(work(argument, lambda: False))

    def wait(self, running, **_):
        if not any(future.done() for future in running):
            self._finish(0)
        return {future for future in running if future.done()}, set()

    def cancel(self, future):
        future.cancel()

    def close(self):
        pass


@pytest.mark.parametrize("early", ["fold", "hyperband", "median"])
def test_the_order_in_which_trials_end_changes_nothing(lab, early, monkeypatch):
    block = {
        "algorithms": ALGORITHMS,
        "limits": {"max_trials": 14, "max_concurrent_trials": 3},
        "cross_validation": {"folds": 3},
        "early_termination": {"type": early},
    }
    lab.executor = LocalExecutor(1)
    first = lab.search(**block)
    for seed in (1, 2):
        other = elsewhere(lab, f"other {seed}")
        other.executor = Whimsical(3, seed)
        # What is held back at the end is done while it is waited for.
        monkeypatch.setattr(loop, "wait", other.executor.wait)
        assert other.search(**block).digest == first.digest
        assert told(other) == told(lab)


def test_how_many_may_run_at_once_is_part_of_what_is_asked_for(lab):
    block = {"algorithms": {"logistic_regression": {}}, "cross_validation": {"folds": 2}}
    lab.search(**block, limits={"max_trials": 14, "max_concurrent_trials": 1})
    other = elsewhere(lab)
    other.search(**block, limits={"max_trials": 14, "max_concurrent_trials": 4})
    assert told(lab) != told(other)


def test_folds_are_prepared_once_for_each_form_however_many_trials_there_are(lab, monkeypatch):
    import tenure.ml.preprocessor as module

    fits = []
    real = module.Unfitted.fit_transform
    monkeypatch.setattr(
        module.Unfitted, "fit_transform", lambda self, *rest: (fits.append(self.form), real(self, *rest))[1]
    )
    lab.search(algorithms=ALGORITHMS, limits={"max_trials": 8}, cross_validation={"folds": 3})
    assert sorted(fits) == ["linear"] * 3 + ["tree"] * 3


def test_folds_leave_nothing_behind(lab):
    lab.search("logistic_regression", limits={"max_trials": 2})
    assert [path.name for path in (lab.folder / "cache").iterdir()] == ["trials.db"]


# --- what is known ----------------------------------------------------------------------------------------------------


def counted(monkeypatch):
    tried = []
    monkeypatch.setattr(
        loop, "run_trial", lambda task, stopping: tried.append(task) or run_trial(task, stopping)
    )
    return tried


def test_an_edit_of_limits_tries_only_what_is_new(lab, monkeypatch):
    block = {"algorithms": ALGORITHMS, "cross_validation": {"folds": 2}}
    lab.search(**block, limits={"max_trials": 6})
    tried = counted(monkeypatch)
    longer = lab.again()
    value = longer.search(**block, limits={"max_trials": 9}).value
    assert (len(tried), value["cached"]) == (3, 6)
    assert [event.text for event in longer.events if isinstance(event, Note)] == [
        "6 of 9 trials were known from earlier searches."
    ]
    fresh = elsewhere(lab)
    fresh.search(**block, limits={"max_trials": 9})
    assert told(fresh) == told(longer)


def test_a_trial_that_was_given_up_goes_on_where_it_stopped(lab, monkeypatch):
    space = {"C": {"type": "choice", "choices": [1.0, 1e-9]}}
    block = {
        "algorithms": {"logistic_regression": {"search_space": space}},
        "objective": {"primary_metric": "log_loss"},
        "limits": {"max_trials": 8, "max_concurrent_trials": 1},
        "cross_validation": {"folds": 4},
    }
    value = lab.search(**block).value
    assert value["stopped"]
    tried = counted(monkeypatch)
    again = lab.again()
    again.search(**block, early_termination={"type": "none"})
    assert {len(task.known) for task in tried} == {2}


def test_other_rows_are_other_trials(lab, tmp_path, monkeypatch):
    block = {"algorithms": {"logistic_regression": {}}, "limits": {"max_trials": 2}}
    lab.search(**block)
    tried = counted(monkeypatch)
    changed = Lab(tmp_path, table(91), "y")
    changed.make_features()
    assert changed.search(**block).value["cached"] == 0
    assert len(tried) == 2


# --- warm start -------------------------------------------------------------------------------------------------------


@pytest.fixture
def after_a_search(lab, monkeypatch):
    """A lab whose last search is the previous one of the next."""
    space = {"C": {"type": "loguniform", "low": 0.03, "high": 0.05}}
    algorithms = {"logistic_regression": {"search_space": space}}
    lab.search(algorithms=algorithms, limits={"max_trials": 6}, cross_validation={"folds": 2})
    real = Lab.context

    def context(self, resource):
        return dataclasses.replace(real(self, resource), previous=lab.records["training/search"])

    monkeypatch.setattr(Lab, "context", context)
    return lab


NEXT = {"algorithms": ALGORITHMS, "limits": {"max_trials": 5}, "cross_validation": {"folds": 3}}


def test_a_search_begins_with_what_won_the_last_one_and_came_close(after_a_search):
    before = after_a_search.records["training/search"]
    following = after_a_search.again()
    value = following.search(**NEXT).value
    (kept,) = following.trials.kept.values()
    assert (kept[0].algorithm, kept[0].params) == ("logistic_regression", before.value["params"])
    assert value["warm_start"][0] == {"algorithm": "logistic_regression", "params": before.value["params"]}
    assert len(value["warm_start"]) == 3
    cold = after_a_search.again()
    assert cold.search(**NEXT, warm_start=False).value["warm_start"] == []


def test_what_it_begins_with_is_moved_into_the_search_space(after_a_search):
    space = {"C": {"type": "loguniform", "low": 10, "high": 20}}
    following = after_a_search.again()
    block = NEXT | {"algorithms": {"logistic_regression": {"search_space": space}}}
    value = following.search(**block).value
    assert {start["params"]["C"] for start in value["warm_start"]} == {10}


def test_made_again_from_the_same_inputs_it_begins_where_it_began(lab, monkeypatch):
    """After its blobs were lost: not with its own winner, which would be another search."""
    first = lab.search(**NEXT)
    real = Lab.context

    def context(self, resource):
        made = real(self, resource)
        record = lab.record("training/search", first)
        return dataclasses.replace(
            made, previous=type(record)(**{**_fields(record), "fingerprint": made.fingerprint})
        )

    monkeypatch.setattr(Lab, "context", context)
    again = elsewhere(lab)
    assert again.search(**NEXT).value["warm_start"] == []
    assert told(again) == told(lab)


def _fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


# --- time -------------------------------------------------------------------------------------------------------------


class _Slow(Ridge):
    """Never ends by itself and never asks whether to stop."""

    TASKS = ("binary",)

    def fit(self, params, rows, setting, validation):
        time.sleep(60)


class _Rounds(Ridge):
    """Works in rounds for ever."""

    TASKS = ("binary",)
    ROUNDS = "alpha"

    def fit(self, params, rows, setting, validation):
        for number in range(10_000_000):
            if setting.watch(number, 1.0):
                break
            time.sleep(0.001)
        return


@pytest.fixture
def with_a(monkeypatch):
    from tenure.stages.training.algorithms import Algorithms

    real = Algorithms.listed

    def put(kind):
        monkeypatch.setattr(
            Algorithms,
            "listed",
            lambda self: {name: kind() if name == "ridge" else block for name, block in real(self).items()},
        )

    return put


@pytest.mark.parametrize("kind", [_Slow, _Rounds])
def test_a_search_ends_on_time_whatever_its_trials_do(lab, with_a, kind):
    with_a(kind)
    started = time.monotonic()
    value = lab.search(
        algorithms={"ridge": {}, "logistic_regression": {}},
        limits={"max_trials": 50, "timeout": "1s", "max_concurrent_trials": 4},
    ).value
    assert time.monotonic() - started < 4
    assert (value["algorithm"], value["ended_by"]) == ("logistic_regression", "timeout")


def test_a_trial_that_takes_too_long_is_stopped_and_the_search_goes_on(lab, with_a):
    with_a(_Rounds)
    value = lab.search(
        algorithms={"ridge": {}, "logistic_regression": {}},
        limits={"max_trials": 3, "trial_timeout": "2s"},
    ).value
    assert (value["algorithm"], value["ended_by"]) == ("logistic_regression", "max_trials")
    (kept,) = lab.trials.kept.values()
    assert {trial.note for trial in kept if trial.algorithm == "ridge"} == {"out of time"}


def test_one_that_does_not_ask_is_left_behind(lab, with_a, monkeypatch):
    monkeypatch.setattr(loop, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(loop, "_LOADING_SECONDS", 0.2)
    with_a(_Slow)
    with pytest.raises(StageError, match="no trial of the search was finished") as caught:
        lab.search(algorithms={"ridge": {}}, limits={"max_trials": 2, "trial_timeout": "100ms"})
    assert caught.value.path == ("training", "limits", "trial_timeout")


def test_a_request_to_stop_does_not_wait_for_running_trials(lab, with_a):
    with_a(_Slow)
    lab.stopping = lambda: bool(lab.trials.kept)
    started = time.monotonic()
    with pytest.raises(Interrupted):
        lab.search(algorithms={"ridge": {}, "logistic_regression": {}})
    assert time.monotonic() - started < 5


# --- samplers ---------------------------------------------------------------------------------------------------------


def test_a_grid_tries_every_combination_once(lab):
    space = {
        "C": {"type": "choice", "choices": [0.1, 1.0, 10.0]},
        "max_iter": {"type": "choice", "choices": [90, 99]},
        "penalty": {"type": "choice", "choices": ["l2", "l1"]},
    }
    value = lab.search(
        algorithms={"logistic_regression": {"search_space": space}},
        sampling_algorithm="grid",
        limits={"max_trials": 50},
        cross_validation={"folds": 2},
        early_termination={"type": "none"},
    ).value
    (kept,) = lab.trials.kept.values()
    assert sorted((trial.params["C"], trial.params["max_iter"]) for trial in kept) == [
        (c, most) for c in (0.1, 1.0, 10.0) for most in (90, 90, 99, 99)
    ]
    # The share of a penalty that is not chosen is no combination of its own.
    assert not any("l1_ratio" in trial.params for trial in kept)
    assert value["ended_by"] == "nothing left to try"


@pytest.mark.parametrize("kind", ["tpe", "random", "qmc"])
def test_samplers_stay_inside_and_move_about(lab, kind):
    space = {"C": {"type": "loguniform", "low": 0.5, "high": 2.0}}
    lab.search(
        algorithms={"logistic_regression": {"search_space": space}},
        sampling_algorithm=kind,
        limits={"max_trials": 14},
        cross_validation={"folds": 2},
    )
    (kept,) = lab.trials.kept.values()
    values = {trial.params["C"] for trial in kept}
    assert all(0.5 <= value <= 2.0 for value in values)
    assert len(values) > 6


def test_everything_a_trial_did_is_recorded(lab):
    lab.search(algorithms={"xgboost": {}}, limits={"max_trials": 1}, cross_validation={"folds": 3})
    ((trial,),) = lab.trials.kept.values()
    assert len(trial.scores) == len(trial.learned) == len(trial.fold_seconds) == 3
    rounds = [found["rounds"] for found in trial.learned]
    # Three folds have two thirds of the rows: the final fit takes a quarter more rounds, and not half as many again.
    assert trial.params["rounds"] == pytest.approx(np.mean(rounds) * 1.25, abs=1)
    assert trial.curve[10] > 0
    assert trial.seconds > 0


def test_some_of_the_rows_can_be_searched(lab):
    """As nested cross-validation does, for each outer fold."""
    from tenure.stages.training.preparation import load_rows

    training = Training.model_validate(
        {
            "algorithms": {"logistic_regression": {}},
            "limits": {"max_trials": 2},
            "cross_validation": {"folds": 2},
        }
    )
    (resource,) = _search_of(training)
    context = lab.context(resource)
    rows = load_rows(context)
    some = rows.take(np.arange(40))
    found = search.find(training, some, "inner", "lab/training/search", context)
    assert found.best.score is not None
    assert some.identity != rows.identity
    assert len(lab.trials.kept["inner"]) == 2


def _search_of(training):
    from tenure.stages.base import Identity
    from tenure.stages.features.section import Features
    from tenure.stages.training import section

    identity = Identity("lab", "active", metadata=Features())
    return [item for item in section.declare(identity, training) if item.local == "training/search"]


def test_when_time_is_up_before_anything_has_a_score_the_rounds_so_far_count(tmp_path):
    """Many classes and a patient algorithm: a model that learned for a second is better than none."""
    made = Lab(tmp_path, table(2000), "y")
    made.make_features()
    space = {
        "n_estimators": {"type": "fixed", "value": 1_000_000},
        "learning_rate": {"type": "fixed", "value": 1e-5},
    }
    value = made.search(
        algorithms={"xgboost": {"search_space": space}},
        limits={"timeout": "500ms"},
        cross_validation={"folds": 2},
    ).value
    assert value["ended_by"] == "timeout"
    (kept,) = made.trials.kept.values()
    best = kept[value["trial"]]
    assert (best.note, len(best.scores)) == ("cut short by the time limit", 1)
    assert 10 <= best.params["rounds"] < 1_000_000
    # Another time it may get further.
    again = made.again()
    assert (
        again.search(
            algorithms={"xgboost": {"search_space": space}},
            limits={"timeout": "510ms"},
            cross_validation={"folds": 2},
        ).value["cached"]
        == 0
    )


def test_warnings_come_back_when_the_last_of_several_fits_ends(monkeypatch):
    """Filters of warnings belong to the process: fits side by side used to bring back each other's."""
    # A fit that another test left behind may be under way.
    monkeypatch.setattr(algorithm, "_quiet", algorithm._Quiet())
    before = list(warnings.filters)
    first, second = quietly(), quietly()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    warnings.warn("a fit is under way", UserWarning, stacklevel=1)
    second.__exit__(None, None, None)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning):
        warnings.warn("none is", UserWarning, stacklevel=1)


def test_warnings_are_off_in_a_fit_although_another_one_is_under_way_and_they_were_brought_back():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with quietly():
            with warnings.catch_warnings():
                warnings.resetwarnings()
                warnings.warn("nobody has turned this off", UserWarning, stacklevel=1)
                with quietly():
                    warnings.warn("a fit has begun", UserWarning, stacklevel=1)
            warnings.warn("the first one goes on", UserWarning, stacklevel=1)
    assert [str(one.message) for one in told] == ["nobody has turned this off"]
