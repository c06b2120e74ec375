"""What somebody sees who edits a spec: the real yaml-language-server, asked as VS Code, Neovim and Helix ask it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.editors.language_server import LanguageServer

from tenure.core.effect import Effect
from tenure.core.spans import Path as KeyPath
from tenure.lifecycle import Model
from tenure.spec.base import effect_of
from tenure.spec.read import read
from tenure.spec.shape import AnyOf, Block, Kinds, ListOf, MappingOf, Shape

ROOT = Path(__file__).parents[2]
SPECS = [
    *sorted((ROOT / "specs").glob("*.yaml")),
    *sorted((ROOT / "src/tenure/templates").glob("*/specs/*.yaml")),
]
MODELINE = "# yaml-language-server: $schema=../schemas/model.schema.json\n"
ENVELOPE = MODELINE + "apiVersion: tenure/v1\nkind: Model\nmetadata: {name: churn, owner: growth}\n"
DATA = "data:\n  sources:\n    table: {type: csv, path: data/table.csv}\n  target_column: churned\n"
TRAINING = "training:\n  algorithms:\n    xgboost: {}\n"
WHOLE = ENVELOPE + DATA + TRAINING


class Editor:
    """One file of the project in an editor. A `|` in what is typed is the cursor."""

    def __init__(self, server: LanguageServer, path: Path) -> None:
        self.server, self.path = server, path

    def problems(self, text: str) -> list[str]:
        return [found["message"] for found in self.server.open(self.path, text)]

    def offered(self, typed: str) -> dict[str, dict[str, Any]]:
        """What is offered at the cursor, by label; a label that is offered twice fails."""
        line, column = self._cursor(typed)
        items = self.server.complete(self.path, line, column)
        labels = [item["label"] for item in items]
        assert len(labels) == len(set(labels)), labels
        return dict(zip(labels, items, strict=True))

    def said(self, typed: str) -> str:
        """What is shown over the word before the cursor."""
        line, column = self._cursor(typed)
        return self.server.hover(self.path, line, column - 1)

    def _cursor(self, typed: str) -> tuple[int, int]:
        before, _, after = typed.partition("|")
        self.server.open(self.path, before + after)
        return before.count("\n"), len(before) - before.rfind("\n") - 1


@pytest.fixture
def editor(server: LanguageServer, project: Path, request: pytest.FixtureRequest) -> Editor:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:80]
    return Editor(server, project / "specs" / f"{name}.yaml")


# ---- completion ------------------------------------------------------------------------------------------------------


def test_an_empty_document_is_begun_for_you(editor: Editor) -> None:
    offered = editor.offered(MODELINE + "\n|\n")
    assert {"apiVersion", "kind", "metadata", "data", "training", "defaults", "variables"} <= offered.keys()
    assert offered["Model"]["insertText"] == "apiVersion: tenure/v1\nkind: Model"
    assert offered["data"]["insertText"].startswith("data:\n  sources:")
    assert "target_column:" in offered["data"]["insertText"]
    assert offered["deployment"]["insertText"] == "deployment:\n  ", "not `deployment: null`"


def test_a_key_that_is_there_is_not_offered_again(editor: Editor) -> None:
    offered = editor.offered(WHOLE + "|\n")
    assert {
        "features",
        "evaluation",
        "governance",
        "deployment",
        "monitoring",
        "retirement",
    } <= offered.keys()
    assert not {"data", "training", "metadata", "apiVersion"} & offered.keys()


@pytest.mark.parametrize(
    ("typed", "among"),
    [
        ("data:\n  sources:\n    a:\n      type: csv\n      |\n", {"path", "delimiter", "decimal"}),
        ("training:\n  algorithms:\n    |\n", {"xgboost", "logistic_regression", "ridge"}),
        (
            "training:\n  algorithms:\n    xgboost:\n      search_space:\n        |\n",
            {"max_depth", "learning_rate"},
        ),
        ("evaluation:\n  gates:\n    - metric: accuracy\n      |\n", {"min", "max", "enforcement"}),
        ("monitoring:\n  signals:\n    drift:\n      type: data_drift\n      |\n", {"columns", "critical"}),
        ("governance:\n  approvals:\n    - |\n", {"role"}),
    ],
)
def test_keys_are_offered_wherever_one_is(editor: Editor, typed: str, among: set[str]) -> None:
    offered = editor.offered(ENVELOPE + typed)
    assert among <= offered.keys()
    assert "apiVersion" not in offered
    effects = [effect.sentence for effect in Effect]
    for key in among:
        assert any(sentence in str(offered[key]["documentation"]) for sentence in effects), key


@pytest.mark.parametrize(
    ("typed", "choices"),
    [
        ("state: |\n", {"active", "deprecated", "retired"}),
        ("data:\n  task: |\n", {"classification", "regression"}),
        ("data:\n  sources:\n    a:\n      type: |\n", {"csv", "parquet", "sql", "sklearn"}),
        ("evaluation:\n  gates:\n    - type: |\n", {"metric", "baseline", "champion"}),
        ("evaluation:\n  gates:\n    - metric: |\n", {"accuracy", "roc_auc", "rmse"}),
        ("deployment:\n  rollout:\n    strategy: |\n", {"canary", "all_at_once"}),
        (
            "training:\n  algorithms:\n    xgboost:\n      search_space:\n        max_depth:\n          type: |\n",
            {"int"},
        ),
    ],
)
def test_values_are_offered(editor: Editor, typed: str, choices: set[str]) -> None:
    assert choices <= editor.offered(ENVELOPE + typed).keys()


# ---- hover -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "means", "costs"),
    [
        (WHOLE.replace("training:", "training|:"), "Which algorithms are searched", Effect.RETRAIN),
        (WHOLE.replace("xgboost:", "xgboost|:"), "Gradient-boosted trees", Effect.RETRAIN),
        (WHOLE.replace("target_column:", "target_column|:"), "The column to predict", Effect.BREAKING),
        (WHOLE.replace("owner:", "owner|:"), "", Effect.METADATA),
        (WHOLE + "evaluation:\n  gates:\n    - metric|: accuracy\n", "The metric", Effect.EVALUATE),
        (
            WHOLE + "deployment|:\n  target: {type: batch}\n",
            "How a released version is served",
            Effect.RELEASE,
        ),
        (WHOLE + "deployment:\n  target|: {type: batch}\n", "predict", Effect.REDEPLOY),
        (WHOLE + "monitoring:\n  signals:\n    drift|: {type: data_drift}\n", "", Effect.OPERATE),
        (WHOLE + "retirement|:\n  minimum_notice: 30d\n", "When and how the model ends", Effect.RETIRE),
        (
            WHOLE.replace("xgboost: {}", "xgboost: {}\n  limits: {max_trials|: '${var.n}'}"),
            "Most trials",
            Effect.RETRAIN,
        ),
    ],
)
def test_a_key_says_what_it_is_and_what_changing_it_costs(
    editor: Editor, typed: str, means: str, costs: Effect
) -> None:
    said = editor.said(typed)
    assert means in said
    assert costs.sentence in said


def test_code_in_a_description_is_shown_as_code(editor: Editor) -> None:
    assert "`tenure predict`" in editor.said(WHOLE + "deployment:\n  target:\n    type|: batch\n")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_every_key_of_every_spec_says_its_cost(editor: Editor, path: Path) -> None:
    document, _ = read(path)
    assert document is not None
    editor.server.open(editor.path, document.text)
    asked = 0
    for place, sentence in priced(Block(Model), document.data):
        key = document.spans.key(place)
        assert key is not None
        said = editor.server.hover(editor.path, key.line - 1, key.column)
        assert sentence in said.replace("\\", ""), place
        asked += 1
    assert asked > 15


def priced(shape: Shape | None, data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every key in `data` that is a field of some block, with the sentence of its effect."""
    match shape:
        case Kinds():
            yield from priced(shape.member(data), data, path)
        case AnyOf(members=members):
            for member in members:
                yield from priced(member, data, path)
        case Block(model=model) if isinstance(data, dict):
            fields = {info.alias or name: info for name, info in model.model_fields.items()}
            for key, value in data.items():
                if key in fields:
                    yield (*path, key), effect_of(fields[key]).sentence
                    yield from priced(shape.child(key), value, (*path, key))
        case MappingOf(value=inner) if isinstance(data, dict):
            for key, value in data.items():
                yield from priced(inner, value, (*path, key))
        case ListOf(item=inner) if isinstance(data, list):
            for position, value in enumerate(data):
                yield from priced(inner, value, (*path, position))


# ---- diagnostics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_a_valid_spec_has_no_problems(editor: Editor, path: Path) -> None:
    assert editor.problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (WHOLE.replace("target_column", "target_colum"), "Property target_colum is not allowed."),
        (WHOLE + "seed: 3\n", "Property seed is not allowed."),
        (WHOLE.replace("  algorithms:\n    xgboost: {}", "  algorithms:\n    xgbost: {}"), "Property xgbost"),
        (WHOLE.replace("target_column: churned", "target_column: [churned]"), 'Expected "string"'),
        (WHOLE + "  seed: often\n", "Incorrect type"),
        (WHOLE.replace("name: churn, ", ""), 'Missing property "name".'),
        (ENVELOPE + TRAINING, 'Missing property "data".'),
        (WHOLE.replace("  target_column: churned\n", ""), 'Missing property "target_column".'),
        (WHOLE.replace(", path: data/table.csv", ""), 'Missing property "path".'),
        (WHOLE + "state: activ\n", "active"),
        (WHOLE.replace("type: csv", "type: cvs"), "csv"),
        (WHOLE + "evaluation:\n  gates:\n    - {metric: acuracy, min: 0.5}\n", "accuracy"),
        (
            WHOLE + "evaluation:\n  gates:\n    - {metric: accuracy, min: 0.5, mx: 1}\n",
            "Property mx is not allowed.",
        ),
        (WHOLE.replace("tenure/v1", "tenure/v9"), "tenure/v1"),
    ],
)
def test_a_broken_spec_says_what_is_wrong(editor: Editor, wrong: str, message: str) -> None:
    assert wrong != WHOLE
    found = editor.problems(wrong)
    assert any(message in one for one in found), found
    assert editor.problems(WHOLE) == [], "and is silent again when it is repaired"


# Of the specs that `tenure validate` refuses, those whose mistake can be seen without composing and without data.
SEEN_AT_ONCE = (
    "adopt", "adopt-fields", "bad-name", "colon-in-value", "duplicate-key", "merge-conflict", "missing-sections",
    "misspelt-keys", "not-a-spec", "old-version", "out-of-range", "tabs", "two-documents", "unclosed-quote",
    "wrong-kinds", "wrong-types",
)  # fmt: skip


@pytest.mark.parametrize("name", SEEN_AT_ONCE)
def test_the_editor_refuses_what_validation_refuses(editor: Editor, name: str) -> None:
    text = (ROOT / "tests/scenarios/broken" / f"{name}.yaml").read_text(encoding="utf-8")
    assert editor.problems(text if "yaml-language-server" in text else MODELINE + text)


# ---- fragments -------------------------------------------------------------------------------------------------------

HALF = ENVELOPE + (
    "defaults: [{data: churn}, {training: quick}, {monitoring: standard}]\n"
    "data:\n  sources:\n    table: {path: data/table.csv}\n"
    "training:\n  limits: {max_trials: 5}\n"
    "deployment:\n  target: {type: batch}\n"
    "monitoring:\n  alerting: {fire: 1 of 2}\n"
)


def test_what_a_fragment_brings_is_not_missing_in_the_editor(editor: Editor, project: Path) -> None:
    """The same file is accepted by `tenure validate`, with the fragments in `conf/`."""
    from tenure.engine.project import Project

    fragments = {
        "data/churn": "sources:\n  table: {type: csv}\ntarget_column: weather\n",
        "training/quick": "algorithms:\n  logistic_regression: {}\n",
    }
    for name, text in fragments.items():
        (project / "conf" / name).parent.mkdir(exist_ok=True)
        (project / "conf" / f"{name}.yaml").write_text(text)
    editor.path.write_text(HALF)
    assert not [one for one in Project(project).validate(["churn"]) if one.is_error]
    assert editor.problems(HALF) == []
    assert editor.problems(HALF.replace("{data: churn}, ", "")) != []
    editor.path.unlink()


def test_completion_and_hover_work_where_a_fragment_brings_the_rest(editor: Editor) -> None:
    assert {"type", "delimiter"} <= editor.offered(
        HALF.replace("    table:", "    more:\n      |\n    table:")
    ).keys()
    assert "algorithms" in editor.offered(HALF.replace("  limits", "  |\n  limits"))
    assert Effect.RETRAIN.sentence in editor.said(HALF.replace("max_trials", "max_trials|"))


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("max_trials: 5", "max_trails: 5", "Property max_trails is not allowed."),
        ("max_trials: 5", "max_trials: 0", "1"),
        ("path: data", "type: cvs, path: data", "csv"),
        ("fire: 1 of 2", "fire: [1]", "string"),
    ],
)
def test_fragments_excuse_no_mistake(editor: Editor, right: str, wrong: str, message: str) -> None:
    assert right in HALF
    found = editor.problems(HALF.replace(right, wrong))
    assert any(message in one for one in found), found
