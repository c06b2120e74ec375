"""The cache of trials: what is known is found again, and nothing that happens to its file matters."""

from __future__ import annotations

import pytest

from tenure.stages.training import trial_cache
from tenure.stages.training.algorithms import Algorithms
from tenure.stages.training.trial_cache import Entry, TrialCache, trial_key
from tenure.stages.training.trying import FoldScore

ENTRY = Entry((FoldScore(0.5, 1.0, {"rounds": 3}), FoldScore(float("inf"), 0.5, {}, 0.1)), {10: 0.25})


@pytest.fixture
def cache(tmp_path):
    return TrialCache(tmp_path / "deep" / "trials.db")


def test_what_was_put_is_found_again(cache, tmp_path):
    assert cache.get("a") is None
    cache.put("a", ENTRY)
    assert TrialCache(tmp_path / "deep" / "trials.db").get("a") == ENTRY
    assert cache.get("b") is None


def test_more_folds_replace_fewer_and_never_the_other_way(cache):
    one = Entry(ENTRY.folds[:1])
    cache.put("a", one)
    cache.put("a", ENTRY)
    cache.put("a", one)
    assert cache.get("a") == ENTRY


def test_a_damaged_file_is_started_anew(cache, tmp_path):
    cache.put("a", ENTRY)
    (tmp_path / "deep" / "trials.db").write_bytes(b"no database" * 1000)
    assert cache.get("a") is None
    cache.put("a", ENTRY)
    assert cache.get("a") == ENTRY


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("")
    cache = TrialCache(tmp_path / "file" / "trials.db")
    cache.put("a", ENTRY)
    assert cache.get("a") is None
    TrialCache(None).put("a", ENTRY)
    assert TrialCache(None).get("a") is None


def test_those_used_longest_ago_make_room(cache, monkeypatch):
    monkeypatch.setattr(trial_cache, "MOST_ENTRIES", 20)
    moments = iter(range(1000))
    monkeypatch.setattr(trial_cache.time, "time", lambda: next(moments))
    for number in range(20):
        cache.put(str(number), ENTRY)
    cache.get("0")
    cache.put("new", ENTRY)
    assert [key for key in ("0", "1", "2", "3", "new") if cache.get(key) is not None] == ["0", "3", "new"]


def test_the_key_names_all_a_score_depends_on_and_nothing_else(monkeypatch):
    blocks = Algorithms.model_validate({"xgboost": {}, "hist_gradient_boosting": {}}).listed()
    xgboost = blocks["xgboost"]
    params = {"max_depth": 3}
    key = trial_key("rows", "xgboost", xgboost, params, 7)
    narrower = {"search_space": {"max_depth": {"type": "int", "low": 2, "high": 4}}}
    other_space = Algorithms.model_validate({"xgboost": narrower}).listed()["xgboost"]
    assert trial_key("rows", "xgboost", other_space, params, 7) == key
    patient = Algorithms.model_validate({"xgboost": {"early_stopping_rounds": 99}}).listed()["xgboost"]
    others = {
        trial_key("others", "xgboost", xgboost, params, 7),
        trial_key("rows", "hist_gradient_boosting", blocks["hist_gradient_boosting"], params, 7),
        trial_key("rows", "xgboost", xgboost, {"max_depth": 4}, 7),
        trial_key("rows", "xgboost", xgboost, params, 8),
        trial_key("rows", "xgboost", patient, params, 7),
    }
    monkeypatch.setattr(trial_cache, "version", lambda name: "0.0")
    others.add(trial_key("rows", "xgboost", xgboost, params, 7))
    assert len(others) == 6
    assert key not in others
