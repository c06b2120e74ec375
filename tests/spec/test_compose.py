from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenure.core.errors import StageError
from tenure.spec.compose.grammar import parse_overrides
from tenure.spec.compose.layers import _by_hydra, assemble
from tenure.spec.compose.plain import plain_layers
from tenure.spec.fragments import Fragments
from tenure.spec.override import Override
from tenure.spec.read import Document, parse
from tenure.spec.secrets import resolve_secrets
from tenure.spec.validate import Loaded, load

HEAD = "apiVersion: tenure/v1\nkind: Model\nname: churn\n"
FILES = {
    "limits/quick.yaml": "max_trials: 3\ntimeout: 1m\n",
    "limits/long.yaml": "max_trials: 300\n",
    "limits/nested.yaml": "defaults: [quick, _self_]\nmax_trials: 4\n",
    "limits/broken.yaml": "max_trials: [\n",
    "limits/wrong.yaml": "# a comment\ntimeout: soon\n",
    "gates/strict.yaml": "# @package _global_\ngates: [{metric: auc, min: 0.9}]\n",
    "profiles/all.yaml": "# @package _global_\ndefaults: [/limits: long, _self_]\nnotes: from all\n",
}


@pytest.fixture
def fragments(tmp_path: Path) -> Fragments:
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Fragments(tmp_path / "conf")


@pytest.fixture
def composing(document_class: type[Any], fragments: Fragments) -> Any:
    def run(text: str, *overrides: str, **variables: Any) -> Loaded[Any]:
        parsed, wrong = parse_overrides(overrides)
        assert not wrong
        return load(
            document(text), document_class, fragments=fragments, variables=variables, overrides=parsed
        )

    return run


def document(text: str) -> Document:
    found, wrong = parse(HEAD + text, "specs/churn.yaml")
    assert found is not None, wrong
    return found


# --- fragments -----------------------------------------------------------------------------------------------------


def test_a_fragment_is_the_ground_and_the_spec_wins(composing: Any) -> None:
    value = composing("defaults: [limits: quick]\nlimits: {timeout: 9m}\n").value
    assert (value.limits.max_trials, value.limits.timeout) == (3, "9m")


def test_self_first_lets_the_fragment_win(composing: Any) -> None:
    value = composing("defaults: [_self_, limits: quick]\nlimits: {timeout: 9m, low: 2}\n").value
    assert (value.limits.timeout, value.limits.low) == ("1m", 2)


def test_fragments_may_include_others_and_choose_their_place(composing: Any) -> None:
    assert composing("defaults: [limits: nested]\n").value.limits.model_dump()["max_trials"] == 4
    assert composing("defaults: [limits: nested]\n").value.limits.timeout == "1m"
    assert composing("defaults: [gates: strict]\n").value.gates[0].min == 0.9
    value = composing("defaults: [profiles: all]\n").value
    assert (value.limits.max_trials, value.notes) == (300, "from all")


def test_reads_names_the_files_that_decided(composing: Any) -> None:
    files = composing("defaults: [limits: nested]\n").reads.files
    assert [path.name for path in files] == ["quick.yaml", "nested.yaml"]


def test_a_mistake_in_a_fragment_is_pointed_at_in_the_fragment(composing: Any) -> None:
    (found,) = composing("defaults: [limits: wrong]\n").diagnostics
    assert found.place == "conf/limits/wrong.yaml:2:10, limits > timeout"
    assert found.excerpt[1] == "2 | timeout: soon"
    (found,) = composing("defaults: [limits: broken]\n").diagnostics
    assert str(found.span) == "conf/limits/broken.yaml:1:14"


@pytest.mark.parametrize(
    ("text", "place", "detail", "hint"),
    [
        ("defaults: [limits: quik]\n", "4:12", "conf/limits/quik.yaml", "'quick'"),
        (
            "defaults:\n  - gates: strict\n  - limits: nothing\n",
            "6:5",
            "conf/limits/nothing.yaml",
            "broken, long",
        ),
        ("defaults: {limits: quick}\n", "4:11", "must be a list", "- monitoring: standard"),
        ("defaults: [limits: 3]\n", "4:11", "Unsupported item value", ""),
        ("defaults: [nowhere]\n", "4:12", "conf/nowhere.yaml", "Create conf/nowhere.yaml."),
    ],
)
def test_a_wrong_defaults_list(composing: Any, text: str, place: str, detail: str, hint: str) -> None:
    (found,) = composing(text).diagnostics
    assert str(found.span) == f"specs/churn.yaml:{place}"
    assert detail in found.detail
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("defaults: [limits: quick]\n", ()),
        ("defaults: [limits: quick]\nlimits: {timeout: 9m}\n", ()),
        ("defaults: [_self_, limits: quick]\nlimits: {timeout: 9m}\n", ()),
        ("defaults: [limits: quick, _self_]\nlimits: {timeout: 9m}\n", ()),
        ("defaults: [limits: quick]\n", ("limits=long",)),
        ("defaults: []\nnotes: x\n", ()),
    ],
)
def test_lists_read_without_hydra_mean_what_hydra_says(
    fragments: Fragments, text: str, overrides: tuple[str, ...]
) -> None:
    parsed, _ = parse_overrides(overrides)
    assert plain_layers(document(text), fragments, parsed) is not None
    ours, hydra = assemble(document(text), fragments, parsed), _by_hydra(document(text), fragments, parsed)
    assert ours.data == hydra.data
    assert [layer.name for layer in ours.layers] == [layer.name for layer in hydra.layers]
    assert [layer.at for layer in ours.layers] == [layer.at for layer in hydra.layers]


@pytest.mark.parametrize(
    "text",
    [
        "defaults: [limits: nested]\n",
        "defaults: [gates: strict]\n",
        "defaults: [optional limits: none]\n",
        "defaults: [limits@sources: quick]\n",
        "defaults: [limits: [quick, long]]\n",
        "defaults: [limits/quick]\n",
        "defaults: [limits: '${x}']\n",
        "defaults: [limits: nowhere]\n",
        "defaults: nothing\n",
    ],
)
def test_everything_else_is_left_to_hydra(fragments: Fragments, text: str) -> None:
    assert plain_layers(document(text), fragments, ()) is None


# --- overrides -----------------------------------------------------------------------------------------------------


def test_overrides_set_add_and_delete(composing: Any) -> None:
    value = composing(
        "gates: [{metric: auc}, {metric: f1}]\nnotes: x\nlimits: {low: 1}\n",
        "limits.max_trials=7", "gates.1.min=0.25", "~notes", "+share=0.5", "++strategy=fast", "~gates.0",
    ).value  # fmt: skip
    assert value.limits.max_trials == 7
    assert [gate.metric for gate in value.gates] == ["f1"]
    assert value.gates[0].min == 0.25
    assert (value.notes, value.share, value.strategy) == ("", 0.5, "fast")


def test_an_override_chooses_a_fragment(composing: Any) -> None:
    assert composing("defaults: [limits: quick]\n", "limits=long").value.limits.max_trials == 300
    assert composing("", "+limits=long").value.limits.max_trials == 300
    assert composing("limits: {low: 0}\n", "~limits").value.limits.low == 1
    (found,) = composing("", "limits=long").diagnostics
    assert found.hint == "To add it:\n  +limits=long"


@pytest.mark.parametrize(
    ("override", "place", "hint"),
    [
        ("limits.max_trials=0", "override limits.max_trials=0, limits > max_trials", ""),
        ("limits.max_trails=4", "override limits.max_trails=4, limits > max_trails", "'max_trials'"),
        ("+notes=y", "override +notes=y", "notes=y"),
        ("~share", "override ~share", "Valid here"),
        ("gates.4.min=1", "override gates.4.min=1", ""),
        ("notes.x=1", "override notes.x=1", ""),
        ("name='${var.none}'", "override name='${var.none}', name", ""),
    ],
)
def test_a_mistake_in_an_override_names_the_override(
    composing: Any, override: str, place: str, hint: str
) -> None:
    (found,) = composing("gates: [{metric: auc}]\nnotes: x\n", override).diagnostics
    assert found.place == place
    assert hint in found.hint


@pytest.mark.parametrize("text", ["a.b", "=", "a=1,2", "a=[1", "a=range(1,3)"])
def test_overrides_outside_the_grammar_are_explained(text: str) -> None:
    parsed, (found,) = parse_overrides([text])
    assert parsed == ()
    assert text in found.detail


def test_an_override_reads_values_as_hydra_does() -> None:
    parsed, _ = parse_overrides(["a.b=[1,x,{c: 2.5}]", "c='1'", "d=null", "e=true", "f=no"])
    assert [one.value for one in parsed] == [[1, "x", {"c": 2.5}], "1", None, True, "no"]


def test_the_document_itself_is_never_changed(document_class: type[Any], fragments: Fragments) -> None:
    text = "gates: [{metric: auc}]\nnotes: ${var.a}\nvariables: {a: x}\n"
    original = document(text)
    overrides: tuple[Override, ...] = parse_overrides(["gates.0.min=0.1"])[0]
    load(original, document_class, fragments=fragments, overrides=overrides)
    assert original.data == document(text).data


# --- references ----------------------------------------------------------------------------------------------------


def test_variables_keep_their_type_and_the_environment_wins(composing: Any) -> None:
    text = "variables: {n: 7, who: team}\nlimits: {max_trials: '${var.n}'}\nnotes: 'for ${var.who}'\n"
    assert composing(text).value.limits.max_trials == 7
    value = composing(text, who="everyone").value
    assert value.notes == "for everyone"


def test_variables_may_refer_to_others_and_hold_lists(composing: Any) -> None:
    text = "variables: {a: '${var.b}!', b: x, g: [{metric: auc}]}\nnotes: ${var.a}\ngates: ${var.g}\n"
    value = composing(text).value
    assert value.notes == "x!"
    assert value.gates[0].metric == "auc"


def test_environment_variables_are_read_and_reported(composing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALS", "12")
    monkeypatch.delenv("ABSENT", raising=False)
    loaded = composing("limits: {max_trials: '${env:TRIALS}', low: '${env:ABSENT,3}'}\n")
    assert (loaded.value.limits.max_trials, loaded.value.limits.low) == (12, 3)
    assert loaded.reads.environment == ("TRIALS", "ABSENT")


def test_a_literal_dollar_brace(composing: Any) -> None:
    assert composing("notes: 'cost \\${x}'\n").value.notes == "cost ${x}"
    assert composing("notes: 'a{2}$ {'\n").value.notes == "a{2}$ {"


@pytest.mark.parametrize(
    ("text", "summary", "hint"),
    [
        ("notes: ${var.vale}\nvariables: {value: 1}\n", "The variable is not defined.", "'value'"),
        (
            "notes: ${env:NOBODY_SET_THIS}\n",
            "An environment variable is not set.",
            "${env:NOBODY_SET_THIS,value}",
        ),
        ("notes: ${file:/etc/hostname}\n", "A file reference stands where no secret belongs.", ""),
        ("notes: ${shell:ls}\n", "The reference is of an unknown type.", "\\${"),
        ("notes: ${oc.env:HOME}\n", "The reference is of an unknown type.", "${env:NAME}"),
        (
            "variables: {a: '${oc.env:HOME}'}\nnotes: ${var.a}\n",
            "The reference is of an unknown type.",
            "${env:NAME}",
        ),
        ("notes: ${env:}\n", "The reference is malformed.", "${env:NAME}"),
        ("notes: 'a ${ b'\n", "The reference is malformed.", "\\${"),
        ("variables: {a: '${var.b}', b: '${var.a}'}\nnotes: ${var.a}\n", "The reference leads nowhere.", ""),
        ("variables: [1]\n", "The variables are not a mapping.", ""),
        ("limits: {max_trials: '${var.none}'}\n", "The variable is not defined.", ""),
    ],
)
def test_references_that_lead_nowhere(composing: Any, text: str, summary: str, hint: str) -> None:
    loaded = composing(text)
    errors = [one for one in loaded.diagnostics if one.is_error]
    assert loaded.value is None
    assert [one.summary for one in errors] == [summary]
    assert errors[0].span.file == "specs/churn.yaml"
    assert hint in errors[0].hint


def test_an_unused_variable_is_worth_a_warning(composing: Any) -> None:
    loaded = composing("variables: {a: 1, b: 2}\nlimits: {low: '${var.a}'}\n")
    assert loaded.value is not None
    assert [str(one.span) for one in loaded.diagnostics] == ["specs/churn.yaml:4:19"]


# --- secrets -------------------------------------------------------------------------------------------------------


def connection(loaded: Loaded[Any]) -> str:
    assert loaded.value is not None, loaded.diagnostics
    return str(loaded.value.sources["a"].connection)


def test_secrets_stay_references_until_they_are_used(composing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    text = "sources: {a: {type: sql, connection: 'pg://u:${env:PASSWORD}@${var.host}/${env:DB,main}'}}\n"
    loaded = composing(text, host="db1")
    assert connection(loaded) == "pg://u:${env:PASSWORD}@db1/${env:DB,main}"
    assert loaded.reads.environment == ()
    assert resolve_secrets(connection(loaded)) == "pg://u:hunter2@db1/main"


def test_a_secret_may_come_through_a_variable(composing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    text = "variables: {url: 'pg://${env:PASSWORD}'}\nsources: {a: {type: sql, connection: '${var.url}'}}\n"
    loaded = composing(text)
    assert connection(loaded) == "pg://${env:PASSWORD}"
    assert "hunter2" not in str(loaded.data)


def test_an_escaped_reference_in_a_secret_stays_literal(composing: Any) -> None:
    for host in ("h", "${var.host}"):
        loaded = composing(f"sources: {{a: {{type: sql, connection: '\\${{env:X}}@{host}'}}}}\n", host="h")
        assert resolve_secrets(connection(loaded)) == "${env:X}@h"


def test_a_fallback_may_hold_commas(composing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABSENT", raising=False)
    for host in ("h", "${var.host}"):
        loaded = composing(
            f"sources: {{a: {{type: sql, connection: \"${{env:ABSENT,'a,b'}}@{host}\"}}}}\n", host="h"
        )
        assert resolve_secrets(connection(loaded)) == "a,b@h"


def test_what_an_environment_variable_holds_is_not_followed(
    composing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXT", "${var.a} \\${x}")
    assert composing("notes: ${env:TEXT}\n").value.notes == "${var.a} \\${x}"


def test_secrets_from_files(tmp_path: Path, composing: Any) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    loaded = composing(f"sources: {{a: {{type: sql, connection: 'x:${{file:{tmp_path}/key}}'}}}}\n")
    assert resolve_secrets(connection(loaded)) == "x:s3cret"


@pytest.mark.parametrize("reference", ["${env:NOBODY_SET_THIS}", "${file:/no/such/file}"])
def test_a_missing_secret_says_which(reference: str) -> None:
    with pytest.raises(StageError) as caught:
        resolve_secrets(f"pg://{reference}")
    assert caught.value.summary == "A secret is missing."
    assert reference in caught.value.detail
    assert caught.value.hint
