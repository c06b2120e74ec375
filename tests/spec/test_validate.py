from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenure.core.diagnostics import Diagnostic, Severity
from tenure.spec.validate import load, load_text

HEAD = "apiVersion: tenure/v1\nkind: Model\nname: churn\n"


def problems(document_class: type[Any], text: str) -> list[Diagnostic]:
    loaded = load_text(HEAD + text, document_class, "f.yaml")
    assert loaded.value is None
    return list(loaded.diagnostics)


def test_a_good_document(document_class: type[Any]) -> None:
    loaded = load_text(HEAD + "gates: [{metric: auc}]\nlimits: {timeout: 2m}\n", document_class)
    assert not loaded.diagnostics
    assert loaded.value is not None
    assert loaded.value.gates[0].type == "metric"
    assert loaded.value.limits.timeout == "2m"


UNKNOWN, MISSING = "The key is not known.", "A required key is missing."
TYPE, RANGE, VALUE = (
    "The value has the wrong type.",
    "The value is out of range.",
    "The value cannot be used.",
)
KIND, NO_KIND, WORD = "The kind is not known.", "The kind is missing.", "The word is not known."
TOGETHER = "These settings do not go together."
MISTAKES = [
    # text, place, summary, part of the detail, part of the way out
    ("nots: x", "4:1, nots", UNKNOWN, "'nots' is not a key of the document", "'notes'"),
    ("deflauts: [x]", "4:1, deflauts", UNKNOWN, "'deflauts' is not a key of the document", "'defaults'"),
    ("variabels: {a: 1}", "4:1, variabels", UNKNOWN, "", "'variables'"),
    ("limits: {max_trails: 3}", "4:10, limits > max_trails", UNKNOWN, "`limits`", "'max_trials'"),
    ("limits: {zzz: 3}", "4:10, limits > zzz", UNKNOWN, "", "Valid here: high, low,"),
    ("limits: {max_trials: many}", "4:22, limits > max_trials", TYPE, "a whole number, not 'many'", ""),
    ("limits: {max_trials: 2.5}", "4:22, limits > max_trials", TYPE, "a whole number, not 2.5", ""),
    ("limits: {max_trials: 0}", "4:22, limits > max_trials", RANGE, "1 or more, not 0", ""),
    ("limits: 3", "4:9, limits", TYPE, "a block of `key: value` lines, not 3", ""),
    ("limits: {timeout: 5 minutes}", "4:19, limits > timeout", VALUE, "'5 minutes' is not a duration", ""),
    ("limits:\n  low: 6", "4:1, limits", TOGETHER, "low must not be above high.", ""),
    ("limits: {seed: 13}", "4:16, limits > seed", VALUE, "Thirteen is taken.", "Choose another."),
    ("notes: 5", "4:8, notes", TYPE, "text, not 5", "notes: '5'"),
    ("notes: true", "4:8, notes", TYPE, "text, not true", "notes: 'true'"),
    ("notes:", "4:7, notes", TYPE, "text, not empty", ""),
    ("share: 2", "4:8, share", RANGE, "1 or less, not 2", ""),
    ("share: nan", "4:8, share", RANGE, "a finite number", ""),
    ("positive: [1]", "4:11, positive", TYPE, "a whole number or text, not a list", ""),
    ("strategy: fats", "4:11, strategy", WORD, "it may be slow, fast", "'fast'"),
    ("enabled: maybe", "4:10, enabled", TYPE, "true or false, not 'maybe'", ""),
    ("gates: 5", "4:8, gates", TYPE, "a list, not 5", "gates: [5]"),
    ("gates:\n  - {metric: auc, min: 2}", "5:24, gates[0] > min", RANGE, "1 or less", ""),
    ("gates:\n  - {type: metric, metric: 3}", "5:28, gates[0] > metric", TYPE, "", "'3'"),
    ("gates:\n  - {type: champoin}", "5:12, gates[0] > type", KIND, "metric, champion", "'champion'"),
    ("gates:\n  - 5", "5:5, gates[0]", TYPE, "Item 1 of 'gates'", ""),
    ("sources:\n  x: {path: a}", "5:3, sources > x", NO_KIND, "'x' needs 'type'", "Kinds: csv, sql."),
    ("sources:\n  x: {type: cvs}", "5:13, sources > x > type", KIND, "csv, sql", "'csv'"),
    (
        "sources:\n  csv: {type: csv}",
        "5:3, sources > csv",
        MISSING,
        "(path of the file)",
        "path: data/x.csv",
    ),
    # A source that is called like its kind: pydantic's location then holds the word twice.
    ("sources:\n  sql: {type: sql, connection: a, rows: x}", "5:41, sources > sql > rows", TYPE, "", ""),
]


@pytest.mark.parametrize(("text", "place", "summary", "detail", "hint"), MISTAKES)
def test_each_mistake_has_a_place_a_reason_and_a_way_out(
    document_class: type[Any], text: str, place: str, summary: str, detail: str, hint: str
) -> None:
    found = problems(document_class, text)
    assert len(found) == 1
    assert (found[0].place, found[0].summary) == (f"f.yaml:{place}", summary)
    assert detail in found[0].detail
    assert hint in found[0].hint
    assert found[0].excerpt


def test_all_mistakes_are_reported_in_the_order_of_the_file(document_class: type[Any]) -> None:
    found = problems(document_class, "shrae: 1\nlimits: {max_trials: 0, tiemout: 1m}\nstrategy: x\n")
    assert [one.span.line for one in found if one.span] == [4, 5, 5, 6]


def test_a_misspelt_required_key_is_one_mistake_not_two(document_class: type[Any]) -> None:
    found = problems(document_class, "sources: {a: {type: csv, pth: x}}\n")
    assert [one.summary for one in found] == ["The key is not known."]
    assert found[0].hint == "Did you mean 'path'?"


@pytest.mark.parametrize(
    ("text", "summary", "hint"),
    [
        ("kind: Model\nfoo: 1\n", "The document has no apiVersion.", "apiVersion: tenure/v1"),
        ("apiVersion: tenure/v9\nkind: Model\nfoo: 1\n", "The apiVersion is not known.", "tenure/v1"),
        ("apiVersion: tenure/v1\nkind: model\nfoo: 1\n", "The kind of document is not known.", "'Model'"),
        ("apiVersion: tenure/v1\nfoo: 1\n", "The document has no kind.", "kind: Model"),
    ],
)
def test_a_document_of_another_kind_is_not_picked_apart(
    document_class: type[Any], text: str, summary: str, hint: str
) -> None:
    loaded = load_text(text, document_class)
    assert [one.summary for one in loaded.diagnostics] == [summary]
    assert hint in loaded.diagnostics[0].hint


def test_a_secret_is_never_repeated(document_class: type[Any]) -> None:
    found = problems(document_class, "sources: {a: {type: sql, connection: 12345}}\n")
    assert "12345" not in found[0].detail + found[0].hint


def test_digest_ignores_formatting_and_order(document_class: type[Any]) -> None:
    one = load_text(HEAD + "limits: {low: 1, high: 2}\n", document_class)
    other = load_text(
        "# comment\nname: 'churn'\nlimits:\n  high: 2\n  low: 1\nkind: Model\napiVersion: tenure/v1\n",
        document_class,
    )
    changed = load_text(HEAD + "limits: {low: 1, high: 3}\n", document_class)
    assert one.digest == other.digest != changed.digest


def test_others_can_point_into_the_document(document_class: type[Any]) -> None:
    loaded = load_text(HEAD + "share: 0.5\n", document_class, "f.yaml")
    found = loaded.diagnostic(("share",), "Too little.", "It is 0.5.", severity=Severity.WARNING)
    assert found.place == "f.yaml:4:8, share"
    assert found.excerpt[1] == "4 | share: 0.5"


def test_a_file_that_is_not_there(tmp_path: Path, document_class: type[Any]) -> None:
    loaded = load(tmp_path / "none.yaml", document_class, file="specs/none.yaml")
    assert loaded.value is None
    assert loaded.data == {}
    assert loaded.diagnostics[0].place == "specs/none.yaml"
    assert loaded.reads.files == (tmp_path / "none.yaml",)
