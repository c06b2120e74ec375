"""Adopting a model: what it is given, how its answer is read, and what its owner is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
import xgboost
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.svm import LinearSVC
from tests.stages.training import outside

from tenure.core.errors import Interrupted, StageError
from tenure.ml.predictions import Predictions
from tenure.ml.predictor import load
from tenure.stages.training import section as training
from tenure.stages.training.adoption import taking, trial

TABLE = outside.flowers()
CODES = (TABLE["kind"] == "rose").astype(int)
NUMBERS = ["petal", "sepal"]


def predicted(answer: trial.Answer, table: pd.DataFrame = TABLE) -> Predictions:
    return load(answer.files).predict(pa.Table.from_pandas(table, preserve_index=False))


def adopt_skops(folder: Path, model: Any, table: pd.DataFrame = TABLE, **block: Any) -> trial.Answer:
    here = outside.lab(folder, table, **block.pop("features", {}))
    outside.save(model, folder / "m.skops")
    return outside.adopt(here, type="skops", path="m.skops", **block)


def adopt_booster(folder: Path, model: Any, table: pd.DataFrame = TABLE, **block: Any) -> trial.Answer:
    here = outside.lab(folder, table)
    outside.save(model, folder / "m.ubj")
    return outside.adopt(here, type="xgboost", path="m.ubj", **block)


def refused(adopting: Any, *arguments: Any, **block: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        adopting(*arguments, **block)
    assert caught.value.path[:2] == ("training", "adopt")
    return caught.value


# --- columns ----------------------------------------------------------------------------------------------------


def test_a_model_fitted_on_an_array_needs_its_columns_in_order(tmp_path: Path) -> None:
    model = LogisticRegression().fit(TABLE[["sepal", "petal"]].to_numpy(), TABLE["kind"])
    error = refused(adopt_skops, tmp_path / "a", model)
    assert "takes 2 columns" in error.detail
    answer = adopt_skops(tmp_path / "b", model, columns=["sepal", "petal"])
    expected = model.predict_proba(TABLE[["sepal", "petal"]].to_numpy())
    assert np.allclose(predicted(answer).probabilities, expected)  # type: ignore[arg-type]
    error = refused(adopt_skops, tmp_path / "c", model, columns=["sepal", "petal", "leaves"])
    assert error.path == ("training", "adopt", "columns")


def test_columns_may_have_other_names_here(tmp_path: Path) -> None:
    model = Ridge().fit(TABLE[NUMBERS].rename(columns=str.upper), TABLE["height"])
    here = outside.lab(tmp_path, target="height")
    outside.save(model, tmp_path / "m.skops")
    error = refused(outside.adopt, here, type="skops", path="m.skops")
    assert "'petal'" in error.hint
    answer = outside.adopt(here, type="skops", path="m.skops", columns=NUMBERS)
    assert np.allclose(predicted(answer).labels, model.predict(TABLE[NUMBERS].rename(columns=str.upper)))


def test_a_column_list_with_a_mistake_points_at_the_mistake(tmp_path: Path) -> None:
    model = outside.pipeline(TABLE)
    error = refused(adopt_skops, tmp_path / "a", model, columns=["petal", "sepa", "colour"])
    assert error.path == ("training", "adopt", "columns", 1)
    assert "'sepal'" in error.hint
    error = refused(adopt_skops, tmp_path / "b", model, columns=["petal", "kind", "colour"])
    assert error.summary == "the model takes the target"


def test_a_column_that_the_features_leave_out_is_taken_all_the_same(tmp_path: Path) -> None:
    answer = adopt_skops(tmp_path, outside.pipeline(TABLE), features={"include": ["leaves", "petal"]})
    assert answer.inputs == ["petal", "sepal", "colour"]
    assert (
        answer.later
        == "a version of the spec's own search takes besides leaves, and no longer needs colour, sepal"
    )


def test_derived_columns_of_the_spec_are_computed_for_it(tmp_path: Path) -> None:
    area = TABLE.assign(area=TABLE["petal"] * TABLE["sepal"])
    model = LogisticRegression().fit(area[["area"]], area["kind"])
    derived = [{"name": "area", "expression": "petal * sepal"}]
    answer = adopt_skops(tmp_path, model, features={"derived": derived})
    assert answer.inputs == NUMBERS
    assert np.allclose(predicted(answer).probabilities, model.predict_proba(area[["area"]]))  # type: ignore[arg-type]


def test_missing_values_arrive_as_they_do_in_pandas(tmp_path: Path) -> None:
    table = outside.flowers(holes=True)
    prepared = make_column_transformer(
        (OneHotEncoder(), ["colour"]), ("passthrough", NUMBERS), sparse_threshold=0
    )
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = make_pipeline(prepared, HistGradientBoostingClassifier(max_iter=5)).fit(
        table[outside.INPUTS], table["kind"]
    )
    answer = adopt_skops(tmp_path, model, table)
    given = predicted(answer, table).probabilities
    assert np.array_equal(given, model.predict_proba(table[outside.INPUTS]))  # type: ignore[arg-type]


def test_types_are_those_of_pandas(tmp_path: Path) -> None:
    """Whole numbers, truth values and times reach the model as such, not as floats."""
    times = pd.date_range("2026-01-01", periods=len(TABLE))
    table = TABLE.assign(wild=[bool(n % 2) for n in range(len(TABLE))], seen=times)
    columns = ["leaves", "wild", "colour"]
    model = make_pipeline(OrdinalEncoder(), RandomForestClassifier(3, random_state=1, n_jobs=2)).fit(
        table[columns], table["kind"]
    )
    here = outside.lab(tmp_path, table)
    outside.save(model, tmp_path / "m.skops")
    answer = outside.adopt(here, type="skops", path="m.skops")
    predictor = load(answer.files)
    frame = predictor.feed.rows(predictor.recipe, pa.Table.from_pandas(table, preserve_index=False))  # type: ignore[union-attr]
    assert [frame[name].dtype.kind for name in columns] == ["i", "b", "O"]
    assert predictor.estimator.steps[-1][1].n_jobs is None


# --- classes ----------------------------------------------------------------------------------------------------


def test_codes_become_classes_when_the_spec_says_which(tmp_path: Path) -> None:
    model = clone(outside.pipeline(TABLE)).fit(TABLE[outside.INPUTS], 1 - CODES)  # 0 is a rose, 1 a lily
    error = refused(adopt_skops, tmp_path / "a", model)
    assert error.summary == "the model has other classes than the target"
    assert "classes: [lily, rose]" in error.hint
    answer = adopt_skops(tmp_path / "b", model, classes=["rose", "lily"])
    found = predicted(answer)
    assert found.classes == ("lily", "rose")
    assert np.array_equal(found.probabilities, model.predict_proba(TABLE[outside.INPUTS])[:, ::-1])  # type: ignore[arg-type]
    error = refused(adopt_skops, tmp_path / "c", model, classes=["rose", "tulip"])
    assert error.path == ("training", "adopt", "classes")
    error = refused(adopt_skops, tmp_path / "d", model, classes=["rose", "lily", "tulip"])
    assert error.summary == "the model has another number of classes"


def test_a_threshold_that_was_tuned_is_told(tmp_path: Path) -> None:
    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(TABLE[NUMBERS], TABLE["kind"])
    answer = adopt_skops(tmp_path, model)
    assert any("tuned" in remark for remark in answer.remarks)


def test_a_model_that_always_says_the_same_is_told(tmp_path: Path) -> None:
    from sklearn.dummy import DummyClassifier

    model = DummyClassifier(strategy="prior").fit(TABLE[NUMBERS], TABLE["kind"])
    assert any("same for every row" in remark for remark in adopt_skops(tmp_path, model).remarks)


def test_a_classifier_without_probabilities_is_refused_and_calibration_helps(tmp_path: Path) -> None:
    model = LinearSVC().fit(TABLE[NUMBERS], TABLE["kind"])
    error = refused(adopt_skops, tmp_path / "a", model)
    assert "CalibratedClassifierCV" in error.hint
    calibrated = CalibratedClassifierCV(LinearSVC(), cv=2).fit(TABLE[NUMBERS], TABLE["kind"])
    found = predicted(adopt_skops(tmp_path / "b", calibrated))
    assert np.allclose(found.probabilities, calibrated.predict_proba(TABLE[NUMBERS]))  # type: ignore[arg-type]


def test_a_model_that_was_not_fitted_is_refused(tmp_path: Path) -> None:
    unfitted = clone(outside.pipeline(TABLE))
    assert (
        "fitted"
        in refused(adopt_skops, tmp_path, unfitted, columns=outside.INPUTS, classes=["lily", "rose"]).detail
    )


def test_a_model_that_cannot_take_the_columns_raw_is_refused(tmp_path: Path) -> None:
    encoded = pd.get_dummies(TABLE[["colour"]])["colour_red"].rename("colour").to_frame()
    model = LogisticRegression().fit(encoded, TABLE["kind"])
    error = refused(adopt_skops, tmp_path, model)
    assert error.summary == "the model cannot predict the rows of the snapshot"
    assert "could not convert string to float" in error.detail


# --- what is trusted --------------------------------------------------------------------------------------------


def test_types_that_are_not_trusted_are_refused_with_their_names_and_a_way_out(tmp_path: Path) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(TABLE[NUMBERS], TABLE["kind"])
    error = refused(adopt_skops, tmp_path / "a", search)
    assert "sklearn.model_selection._split.StratifiedKFold" in error.detail
    assert "search.best_estimator_" in error.hint
    near = KNeighborsClassifier(algorithm="kd_tree").fit(TABLE[NUMBERS], TABLE["kind"])
    error = refused(adopt_skops, tmp_path / "b", near)
    assert "KDTree" in error.detail
    assert 'algorithm="brute"' in error.hint
    brute = KNeighborsClassifier(algorithm="brute").fit(TABLE[NUMBERS], TABLE["kind"])
    assert adopt_skops(tmp_path / "c", brute).name == "KNeighborsClassifier"


def _double(values: Any) -> Any:
    return values * 2


def test_functions_of_ones_own_are_refused(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(_double), Ridge()).fit(TABLE[NUMBERS], TABLE["height"])
    here = outside.lab(tmp_path, target="height")
    outside.save(model, tmp_path / "m.skops")
    error = refused(outside.adopt, here, type="skops", path="m.skops", columns=NUMBERS)
    assert "_double" in error.detail
    assert "features.derived" in error.hint


def test_a_booster_inside_a_pipeline_is_adopted_in_two_parts(tmp_path: Path) -> None:
    model = outside.pipeline(TABLE)
    whole = make_pipeline(model[:-1], xgboost.XGBClassifier(n_estimators=4, max_depth=2)).fit(
        TABLE[outside.INPUTS], CODES
    )
    error = refused(adopt_skops, tmp_path / "a", whole)
    assert "pipeline[:-1]" in error.hint
    here = outside.lab(tmp_path / "b")
    outside.save(whole[:-1], tmp_path / "b" / "prep.skops")
    outside.save(whole[-1], tmp_path / "b" / "m.ubj")
    answer = outside.adopt(here, type="xgboost", path="m.ubj", preprocessor={"path": "prep.skops"})
    assert answer.inputs == outside.INPUTS
    given = predicted(answer).probabilities
    assert np.allclose(given, whole.predict_proba(TABLE[outside.INPUTS]), atol=1e-6)  # type: ignore[arg-type]
    error = refused(
        outside.adopt,
        here,
        type="xgboost",
        path="m.ubj",
        preprocessor={"path": "prep.skops", "sha256": "0" * 64},
    )
    assert error.path == ("training", "adopt", "preprocessor", "sha256")


def test_the_version_that_made_it_is_told(tmp_path: Path) -> None:
    import zipfile

    outside.save(outside.pipeline(TABLE), tmp_path / "new.skops")
    with zipfile.ZipFile(tmp_path / "new.skops") as new, zipfile.ZipFile(tmp_path / "m.skops", "w") as old:
        for member in new.namelist():
            content = new.read(member)
            if member == "schema.json":
                import sklearn

                content = content.replace(sklearn.__version__.encode(), b"0.0.9")
            old.writestr(member, content)
    answer = outside.adopt(outside.lab(tmp_path), type="skops", path="m.skops")
    assert answer.made_with == "scikit-learn 0.0.9"
    assert any("whether they are the same as there is not known" in remark for remark in answer.remarks)


# --- xgboost ----------------------------------------------------------------------------------------------------


def test_a_classifier_that_stopped_early_predicts_with_its_best_trees(tmp_path: Path) -> None:
    table = outside.flowers(300)
    codes = (table["kind"] == "rose").astype(int)
    model = xgboost.XGBClassifier(
        n_estimators=80, learning_rate=0.9, early_stopping_rounds=8, eval_metric="logloss"
    )
    model.fit(
        table[NUMBERS][:150], codes[:150], eval_set=[(table[NUMBERS][150:], codes[150:])], verbose=False
    )
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    answer = adopt_booster(tmp_path / "a", model, table)
    expected = model.predict_proba(table[NUMBERS])
    assert np.allclose(predicted(answer, table).probabilities, expected, atol=1e-6)  # type: ignore[arg-type]
    # The native interface uses all trees, and so does a booster that was saved by it.
    native = model.get_booster()
    native.set_attr(scikit_learn=None)
    answer = adopt_booster(tmp_path / "b", native, table)
    given = predicted(answer, table).probabilities
    rows = xgboost.DMatrix(table[NUMBERS])
    assert np.allclose(given[:, 1], native.predict(rows, iteration_range=(0, 0)), atol=1e-6)  # type: ignore[index]
    assert any("uses all" in remark for remark in answer.remarks)


def test_json_is_read_as_well_and_three_classes_keep_their_order(tmp_path: Path) -> None:
    codes = TABLE["colour"].map({"white": 0, "red": 1, "blue": 2})
    model = outside.booster(TABLE, NUMBERS, codes, "multi:softprob", num_class=3)
    here = outside.lab(tmp_path, target="colour")
    outside.save(model, tmp_path / "m.json")
    answer = outside.adopt(here, type="xgboost", path="m.json", classes=["white", "red", "blue"])
    found = predicted(answer)
    assert found.classes == ("blue", "red", "white")
    expected = model.inplace_predict(TABLE[NUMBERS].to_numpy(), validate_features=False)[:, [2, 1, 0]]
    assert np.allclose(found.probabilities, expected)  # type: ignore[arg-type]


def test_boosters_without_probabilities_are_refused(tmp_path: Path) -> None:
    labels = outside.booster(TABLE, NUMBERS, CODES, "binary:hinge")
    error = refused(adopt_booster, tmp_path / "a", labels)
    assert 'set_param({"objective": "binary:logistic"})' in error.hint
    ranks = outside.booster(TABLE, NUMBERS, CODES, "rank:pairwise")
    assert refused(adopt_booster, tmp_path / "b", ranks).summary == "the model does not fit the task"


def test_a_booster_takes_numbers_only(tmp_path: Path) -> None:
    named = outside.booster(TABLE.assign(colour=CODES), ["petal", "colour"], CODES, "binary:logistic")
    error = refused(adopt_booster, tmp_path / "a", named)
    assert error.summary == "a column has another type than the model takes"
    assert "preprocessor" in error.hint
    rows = xgboost.DMatrix(
        TABLE[["petal"]].assign(colour=TABLE["colour"].astype("category")), CODES, enable_categorical=True
    )
    own = xgboost.train({"objective": "binary:logistic"}, rows, 2)
    assert "colour" in refused(adopt_booster, tmp_path / "b", own).detail


# --- a process of its own ---------------------------------------------------------------------------------------


def test_the_verbs_take_it_over_after_it_was_tried_in_another_process(tmp_path: Path) -> None:
    here = outside.lab(tmp_path)
    outside.save(outside.pipeline(TABLE), tmp_path / "m.skops")
    block = {"algorithms": {"ridge": {}}, "adopt": {"type": "skops", "path": "m.skops"}}
    section = training.Training.model_validate(block)
    search = here.run(training, section, "training/search")
    model = here.run(training, section, "training/model")
    assert model.artifacts == search.artifacts
    assert search.value["adopted"]["columns"] == outside.INPUTS
    assert (search.value["trials"], search.value["ended_by"]) == (0, "adopted")
    assert model.value["size"] == sum(len(here.artifacts.get(blob)) for blob in model.artifacts.values())
    report = here.evaluate(gates=[{"metric": "accuracy", "min": 0.5}])
    assert "cannot be known" in report.sentence


def test_what_its_owner_knows_of_its_data_goes_into_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "tried_apart", lambda request, stopping: trial.tried(request))
    table = TABLE.assign(day=pd.date_range("2025-12-01", periods=len(TABLE)))
    outside.save(outside.pipeline(table), tmp_path / "m.skops")
    adopt = {"type": "skops", "path": "m.skops", "trained_until": "2026-01-31"}
    section = training.Training.model_validate({"algorithms": {"ridge": {}}, "adopt": adopt})
    here = outside.lab(tmp_path, table)
    with pytest.raises(StageError, match="rows have no time") as caught:
        here.run(training, section, "training/search")
    assert caught.value.path == ("training", "adopt", "trained_until")
    here.records["data/snapshot"].value["timestamp"] = "day"
    here.run(training, section, "training/search")
    here.run(training, section, "training/model")
    caution = here.evaluate().value["caution"]
    later = sum(day >= pd.Timestamp("2026-02-01") for day in table["day"][3::4])
    assert f"until 2026-01-31; {later} of 30 test rows are later" in caution


def test_what_the_other_process_refuses_comes_back_as_it_was(tmp_path: Path) -> None:
    here = outside.lab(tmp_path)
    outside.save(outside.pipeline(TABLE), tmp_path / "m.skops")
    block = {
        "algorithms": {"ridge": {}},
        "adopt": {"type": "skops", "path": "m.skops", "classes": ["a", "b"]},
    }
    with pytest.raises(StageError, match="other classes") as caught:
        here.run(training, training.Training.model_validate(block), "training/search")
    assert caught.value.path == ("training", "adopt", "classes")
    assert "classes: [lily, rose]" in caught.value.hint


def test_a_crash_of_a_library_is_an_error_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child ends by a signal, as it does when XGBoost follows a damaged pointer."""
    script = tmp_path / "crashing.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trial, "__name__", "crashing")
    with pytest.raises(StageError, match="damaged") as caught:
        trial.tried_apart(trial.Request({}, "m.ubj", "", {}, {}, b"", b"", b""), lambda: False)
    assert "SIGSEGV" in caught.value.detail
    assert caught.value.path == ("training", "adopt", "path")


def test_a_trial_that_does_not_end_is_given_up_and_one_may_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "waiting.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trial, "__name__", "waiting")
    request = trial.Request({}, "m.ubj", "", {}, {}, b"", b"", b"")
    with pytest.raises(Interrupted):
        trial.tried_apart(request, lambda: True)
    monkeypatch.setattr(trial, "MOST_SECONDS", 0)
    with pytest.raises(StageError, match="damaged") as caught:
        trial.tried_apart(request, lambda: False)
    assert "did not end" in caught.value.detail


def test_trees_that_point_outside_are_refused_wherever_they_are(tmp_path: Path) -> None:
    forest = make_pipeline(FunctionTransformer(), RandomForestClassifier(2, random_state=1)).fit(
        TABLE[NUMBERS].to_numpy(), TABLE["kind"]
    )
    tree = forest.steps[-1][1].estimators_[1].tree_
    tree.children_left[0] = tree.node_count + 7
    error = refused(adopt_skops, tmp_path / "a", forest, columns=NUMBERS)
    assert error.summary == "the model file is damaged"
    model = outside.booster(TABLE, NUMBERS, CODES, "binary:logistic")
    content = bytes(model.save_raw("json")).replace(b'"split_indices":[', b'"split_indices":[7')
    here = outside.lab(tmp_path / "b")
    (tmp_path / "b" / "m.json").write_bytes(content)
    assert "damaged" in refused(outside.adopt, here, type="xgboost", path="m.json").summary


def test_skops_files_are_what_the_library_itself_writes(tmp_path: Path) -> None:
    """The tests above would prove little if `save` were ours."""
    path = outside.save(outside.pipeline(TABLE), tmp_path / "m.skops")
    assert skops.io.get_untrusted_types(file=path) == []
