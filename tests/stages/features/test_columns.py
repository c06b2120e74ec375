"""What a spec says about single columns: treated as asked, refused where it does not fit."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.stages.lab import Lab

from tenure.core.errors import StageError
from tenure.ml.design import design
from tenure.ml.preprocessor import feature_names, preprocessor
from tenure.ml.recipe import decode
from tenure.ml.signature import Signature, check_rows
from tenure.ml.transforms.base import Target
from tenure.stages.features.section import Features

ROWS = 80
SUBJECTS = ("engine", "brake", "wheel", "mirror", "seat")


def _table() -> pa.Table:
    generator = np.random.default_rng(3)
    return pa.table(
        {
            "age": generator.integers(20, 60, ROWS).tolist(),
            "income": [None if i % 10 == 0 else float(v) for i, v in enumerate(generator.gamma(2, 30, ROWS))],
            "zip": generator.choice([1010, 1020, 1030], ROWS).tolist(),
            "city": generator.choice(["Bern", "Oslo", "Rome"], ROWS).tolist(),
            "since": [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(ROWS)],  # noqa: DTZ001
            "note": [
                f"the {SUBJECTS[i % 5]} of car {i} makes a noise at {i} km per hour" for i in range(ROWS)
            ],
            "bought": generator.choice(["no", "yes"], ROWS).tolist(),
        }
    )


@pytest.fixture
def lab(tmp_path) -> Lab:
    return Lab(tmp_path, _table(), "bought")


def _names(lab: Lab, form: str, **block) -> dict[str, list[str]]:
    """The names of the features by source column."""
    lab.make_features(**block)
    recipe = decode(lab.artifacts.get(lab.records["features/recipe"].artifacts["recipe"]))
    rows = design(recipe, _table())
    fitted = preprocessor(recipe, form).fit(rows, Target(np.arange(ROWS) % 2, ("no", "yes")))
    found: dict[str, list[str]] = {}
    for name, source in feature_names(fitted):
        found.setdefault(source, []).append(name)
    return found


def test_sentences_are_found_and_their_words_weighed(lab):
    names = _names(lab, "linear")
    assert {"note:engine", "note:noise"} <= set(names["note"])
    (note,) = lab.records["features/recipe"].value["notes"]
    assert note == "column note holds sentences, so its words are weighed (features.text)"


def test_sentences_may_be_left_alone_or_named(lab):
    names = _names(lab, "linear", text={"columns": []})
    assert "note" not in names or "note:engine" not in names["note"]
    names = _names(lab, "linear", text={"columns": ["note"], "max_features": 3})
    assert len(names["note"]) == 3
    names = _names(lab, "tree", columns={"note": {"type": "text", "components": 2}})
    assert names["note"] == ["note:component 1", "note:component 2"]


def test_a_number_may_be_a_category(lab):
    assert _names(lab, "linear")["zip"] == ["zip"]
    names = _names(lab, "linear", columns={"zip": {"type": "categorical"}})
    assert names["zip"] == ["zip=1010", "zip=1020", "zip=1030"]


def test_settings_of_a_column_go_before_those_of_its_kind(lab):
    block = {
        "numeric": {"missing_value_strategy": "mean", "missing_indicator": False},
        "columns": {"income": {"missing_indicator": True}, "since": {"parts": ["hour"], "cyclical": False}},
    }
    names = _names(lab, "linear", **block)
    assert names["income"] == ["income", "income is missing"]
    assert names["since"] == ["since__hour"]


def test_transforms_replace_everything_else(lab):
    steps = [
        "impute",
        {"type": "clip", "high": 100},
        "log1p",
        {"type": "bin", "bins": 3, "encoding": "onehot"},
    ]
    names = _names(
        lab, "tree", columns={"income": {"transforms": steps}, "city": {"transforms": ["frequency"]}}
    )
    assert len(names["income"]) == 3
    assert all(name.startswith("income in [") for name in names["income"])
    assert names["city"] == ["city"]


def test_interactions_are_features_with_settings_of_their_own(lab):
    block = {
        "interactions": [
            {"type": "ratio", "columns": ["income", "age"]},
            {"type": "product", "columns": ["age", "zip"], "name": "both"},
        ],
        "columns": {"both": {"scaling": "none"}},
    }
    names = _names(lab, "linear", **block)
    assert names["income per age"][0] == "income per age"
    assert names["both"] == ["both"]


def test_an_interaction_of_columns_that_are_no_features_reads_them_as_inputs(lab):
    value = lab.make_features(
        exclude=["income"], interactions=[{"type": "ratio", "columns": ["income", "age"]}]
    ).value
    assert "income" not in value["features"]
    assert "income" in [column["name"] for column in value["signature"]["inputs"]]


def test_a_category_that_was_never_seen_is_flagged_or_refused(lab):
    row = {
        "age": 30,
        "income": 5.0,
        "zip": 1010,
        "city": "Berne",
        "since": "2024-01-01",
        "note": "a new note",
    }

    def checked(**block):
        value = lab.make_features(text={"columns": ["note"]}, **block).value
        return check_rows(msgspec.convert(value["signature"], Signature), [row])

    flagged = checked()
    assert flagged.ok
    assert [(flag.field, flag.code) for flag in flagged.flags] == [
        ("note", "unseen"),
        ("city", "unseen"),
    ] or [(flag.field, flag.code) for flag in flagged.flags] == [("city", "unseen"), ("note", "unseen")]
    (error,) = checked(categorical={"unseen": "error"}).errors
    assert (error.field, error.code) == ("city", "unseen")
    assert error.message == "'Berne' is no value of 'city' that the model knows; did you mean 'Bern'?"
    assert checked(categorical={"unseen": "error"}, columns={"city": {"unseen": "other"}}).ok


@pytest.mark.parametrize(
    ("block", "path", "summary"),
    [
        ({"columns": {"agee": {"log": True}}}, ("features", "columns", "agee"), "unknown column"),
        ({"columns": {"age": {"type": "text"}}}, ("features", "columns", "age", "type"), "cannot be treated"),
        ({"columns": {"city": {"log": True}}}, ("features", "columns", "city"), "does not fit the column"),
        (
            {"columns": {"city": {"transforms": ["impute"]}}},
            ("features", "columns", "city", "transforms", 0),
            "transform does not fit",
        ),
        ({"text": {"columns": ["age"]}}, ("features", "text", "columns", 0), "holds no text"),
        ({"text": {"columns": ["nota"]}}, ("features", "text", "columns", 0), "unknown column"),
        (
            {"interactions": [{"type": "sum", "columns": ["age", "city"]}]},
            ("features", "interactions", 0, "columns", 1),
            "needs numbers",
        ),
        (
            {"interactions": [{"type": "sum", "columns": ["age", "bought"]}]},
            ("features", "interactions", 0, "columns", 1),
            "unknown column",
        ),
        (
            {"interactions": [{"type": "sum", "columns": ["age", "zip"], "name": "city"}]},
            ("features", "interactions", 0),
            "name of another column",
        ),
    ],
)
def test_what_does_not_fit_the_columns_points_into_the_spec(lab, block, path, summary):
    with pytest.raises(StageError, match=summary) as caught:
        lab.make_features(**block)
    assert caught.value.path == path
    assert caught.value.hint


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"columns": {"a": {"transforms": ["impute"], "log": True}}}, "everything that is done"),
        ({"columns": {"a": {"transforms": ["scale", "onehot"]}}}, "comes first"),
        ({"columns": {"a": {"transforms": ["no such"]}}}, "no such"),
        ({"columns": {"a": {"type": "categorical", "scaling": "none"}}}, "means nothing"),
        ({"columns": {"a": {"transforms": [{"type": "clip"}]}}}, "needs one range"),
        ({"columns": {"a": {"transforms": [{"type": "clip", "low": 2, "high": 1}]}}}, "is above high"),
        ({"columns": {"a": {"transforms": [{"type": "clip", "quantiles": [0.9, 0.1]}]}}}, "not below"),
        ({"columns": {"a": {"transforms": [{"type": "bin", "edges": [2, 1]}]}}}, "not ascending"),
        ({"columns": {"a": {"transforms": [{"type": "impute", "value": 1}]}}}, "uses no value"),
        ({"columns": {"a": {"transforms": [{"type": "tfidf", "ngrams": [2, 1]}]}}}, "from 1 to 10"),
        ({"numeric": {"outliers": {}}}, "by quantiles or by iqr"),
        ({"numeric": {"outliers": {"iqr": 1.5, "quantiles": [0.1, 0.9]}}}, "by quantiles or by iqr"),
        (
            {
                "derived": [{"name": "x", "expression": "1"}],
                "interactions": [{"type": "sum", "columns": ["a", "b"], "name": "x"}],
            },
            "two columns are called",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_found_without_data(block, message):
    with pytest.raises(ValidationError, match=message):
        Features.model_validate(block)
