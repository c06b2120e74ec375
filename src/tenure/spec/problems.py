"""What validation found, in words for the person who wrote the document: summary, detail, place and way out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tenure.core.diagnostics import Diagnostic, closest, way_out
from tenure.core.spans import Path
from tenure.spec.base import FieldProblem, SpecModel
from tenure.spec.compose.composed import DEFAULTS, VARIABLES, Composed
from tenure.spec.shape import Block, Kinds, Leaf, Located, Shape, locate

_WRONG_TYPE = "The value has the wrong type."
_OUT_OF_RANGE = "The value is out of range."
_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "dict": "a block of `key: value` lines",
    "mapping": "a block of `key: value` lines",
    "model": "a block of `key: value` lines",
    "list": "a list",
    "tuple": "a list",
    "set": "a list without repetitions",
    "frozen_set": "a list without repetitions",
    "date": "a date such as 2026-05-03",
    "date_from_datetime": "a date such as 2026-05-03",
    "datetime": "a date and time such as 2026-05-03T10:00:00Z",
    "time": "a time such as 10:00",
}
_LIMITS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda ctx: f"greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"{ctx['ge']:g} or more",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "less_than_equal": lambda ctx: f"{ctx['le']:g} or less",
    "multiple_of": lambda ctx: f"a multiple of {ctx['multiple_of']}",
    "finite_number": lambda ctx: "a finite number",
}
_LENGTHS = {
    "too_short": ("at least", "min_length", "entry", "entries"),
    "too_long": ("at most", "max_length", "entry", "entries"),
    "string_too_short": ("at least", "min_length", "character", "characters"),
    "string_too_long": ("at most", "max_length", "character", "characters"),
}


_RESERVED = frozenset(("true", "false", "null"))


def explain(error: ValidationError, model: type[SpecModel], composed: Composed) -> list[Diagnostic]:
    """One diagnostic per place, in no particular order."""
    by_place: dict[Path, list[tuple[ErrorDetails, Located]]] = {}
    for one in error.errors(include_url=False):
        located = locate(model, one["loc"], composed.data)
        if one["type"] != "missing" or composed.complete:
            by_place.setdefault(located.path, []).append((one, located))
    for path in _misspelt(by_place):
        del by_place[path]
    return [
        _unquoted(diagnostic) if any(_secret(located) for _, located in several) else diagnostic
        for path, several in _without_failed_members(by_place).items()
        for diagnostic in _at_place(path, several, composed)
    ]


def _secret(located: Located) -> bool:
    return isinstance(located.shape, Leaf) and located.shape.secret


def _unquoted(diagnostic: Diagnostic) -> Diagnostic:
    """The same without what was written there: it may be the secret itself, and messages end up in logs."""
    span = diagnostic.span
    if span is not None and not span.line:
        span = msgspec.structs.replace(span, file=span.file.partition("=")[0])
    return msgspec.structs.replace(diagnostic, span=span, excerpt=())


def _misspelt(by_place: dict[Path, list[tuple[ErrorDetails, Located]]]) -> set[Path]:
    """Missing keys that are there under a wrong name: the unknown key is pointed at, and that is enough."""
    meant: set[Path] = set()
    for path, several in by_place.items():
        if several[0][0]["type"] == "extra_forbidden":
            near = closest(str(path[-1]), several[0][1].block.keys)
            meant.add((*path[:-1], near or ""))
    return {path for path in meant if path in by_place and by_place[path][0][0]["type"] == "missing"}


def _without_failed_members(
    by_place: dict[Path, list[tuple[ErrorDetails, Located]]],
) -> dict[Path, list[tuple[ErrorDetails, Located]]]:
    """Where a value may be one of several shapes and came close to one, the others' complaints are noise."""
    kept: dict[Path, list[tuple[ErrorDetails, Located]]] = {}
    for path, several in by_place.items():
        deeper = any(other != path and other[: len(path)] == path for other in by_place)
        rest = [
            item for item in several if not (deeper and item[1].branch and _is_type_error(item[0]["type"]))
        ]
        if rest:
            kept[path] = rest
    return kept


def _at_place(
    path: Path, several: list[tuple[ErrorDetails, Located]], composed: Composed
) -> Iterator[Diagnostic]:
    wrong = [item for item in several if _expected(item[0], item[1].shape) is not None]
    if len(wrong) > 1:
        first, located = wrong[0]
        wanted = list(dict.fromkeys(str(_expected(one, place.shape)) for one, place in wrong))
        summary = _WRONG_TYPE if any(_is_type_error(one["type"]) for one, _ in wrong) else _OUT_OF_RANGE
        detail = f"{_subject(path)} should be {_or(wanted)}, not {_shown(first['input'], located.shape)}."
        yield composed.diagnostic(path, summary, detail)
    for one, located in several:
        if len(wrong) > 1 and any(one is other for other, _ in wrong):
            continue
        yield _diagnostic(one, located, composed)


def _diagnostic(one: ErrorDetails, located: Located, composed: Composed) -> Diagnostic:
    kind, path, shape, context = one["type"], located.path, located.shape, one.get("ctx", {})
    subject = _subject(path)
    match kind:
        case "extra_forbidden":
            return _unknown_key(path, located.block, composed)
        case "missing":
            return _missing_key(path, located.block, composed)
        case "union_tag_invalid" | "union_tag_not_found":
            return _kind(one, path, shape, composed)
        case "literal_error" | "enum":
            choices = shape.choices if isinstance(shape, Leaf) else ()
            given = _shown(one["input"], shape)
            expected = ", ".join(choices) or str(context.get("expected", ""))
            detail = f"{subject} is {given}; it may be {expected}."
            near = closest(str(one["input"]), choices)
            return composed.diagnostic(
                path, "The word is not known.", detail, f"Did you mean '{near}'?" if near else ""
            )
        case "value_error" | "assertion_error":
            cause = context.get("error")
            keys = located.block.keys
            detail = _sentence(str(cause) if cause is not None else one["msg"], keys)
            if isinstance(cause, FieldProblem):
                hint = _sentence(cause.hint, keys)
                return composed.diagnostic((*path, *cause.at), "The value cannot be used.", detail, hint)
            block = isinstance(shape, Block | Kinds)
            summary = "These settings do not go together." if block else "The value cannot be used."
            return composed.diagnostic(path, summary, detail, at_key=block and bool(path))
        case "string_pattern_mismatch":
            meaning, example = _meaning(path, located.block)
            rule = meaning or f"It has to match {context.get('pattern')}"
            detail = f"{subject} cannot be {_shown(one['input'], shape)}. {rule}."
            return composed.diagnostic(
                path, "The value is malformed.", detail, f"For example:\n  {example}" if example else ""
            )
        case "none_required" | "invalid_key":
            return composed.diagnostic(path, _WRONG_TYPE, f"{subject}: {_sentence(one['msg'])}")
        case _ if kind in _LENGTHS:
            bound, key, singular, plural = _LENGTHS[kind]
            wanted = f"{bound} {context[key]} {singular if context[key] == 1 else plural}"
            return composed.diagnostic(
                path, "The value has the wrong length.", f"{subject} has to have {wanted}."
            )
        case _:
            expected_now = _expected(one, shape)
            if expected_now is None:
                return composed.diagnostic(
                    path, "The value cannot be used.", f"{subject}: {_sentence(one['msg'])}"
                )
            detail = f"{subject} should be {expected_now}, not {_shown(one['input'], shape)}."
            summary = _OUT_OF_RANGE if kind in _LIMITS else _WRONG_TYPE
            hint = (
                ""
                if isinstance(shape, Leaf) and shape.secret
                else _type_hint(kind, one["input"], path, shape)
            )
            diagnostic = composed.diagnostic(path, summary, detail, hint)
            # What came out of a reference or an override is not corrected by quoting it in the file.
            quotable = diagnostic.excerpt and "${" not in "".join(diagnostic.excerpt)
            return diagnostic if quotable else msgspec.structs.replace(diagnostic, hint="")


def _unknown_key(path: Path, block: Block, composed: Composed) -> Diagnostic:
    *above, name = path
    where = _block_name(tuple(above))
    # Composition has used up these two, which stand at the top of every document.
    keys = block.keys if above else (*block.keys, DEFAULTS, VARIABLES)
    return composed.diagnostic(
        path,
        "The key is not known.",
        f"'{name}' is not a key of {where}; it would have no effect.",
        way_out(str(name), keys),
        at_key=True,
    )


def _block_name(path: Path) -> str:
    if not path:
        return "the document"
    return f"`{path[-1]}`" if isinstance(path[-1], str) else "this block"


def _missing_key(path: Path, block: Block, composed: Composed) -> Diagnostic:
    *above, name = path
    meaning, example = _meaning(path, block)
    where = _block_name(tuple(above))
    return composed.diagnostic(
        tuple(above),
        "A required key is missing.",
        f"{where[0].upper() + where[1:]} needs '{name}'{f' ({meaning[0].lower() + meaning[1:]})' if meaning else ''}.",
        f"For example:\n  {example}" if example else f"Add '{name}'.",
        at_key=bool(above),
    )


def _meaning(path: Path, block: Block) -> tuple[str, str]:
    """The first sentence about a field, without its full stop, and a line as an example; empty where there is none."""
    name = path[-1] if path else ""
    found = (info for key, info in block.model.model_fields.items() if name in (key, info.alias))
    info = next(found, None)
    if info is None:
        return "", ""
    meaning = (info.description or "").split(". ")[0].rstrip(".")
    return meaning, f"{name}: {_inline(info.examples[0])}" if info.examples else ""


def _inline(value: Any) -> str:
    """A value as one line of YAML: plain where that is safe, otherwise as JSON, which is YAML too."""
    plain = (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z][\w ./-]*", value)
        and value.lower() not in _RESERVED
    )
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _kind(one: ErrorDetails, path: Path, shape: Shape | None, composed: Composed) -> Diagnostic:
    key = shape.key if isinstance(shape, Kinds) else "type"
    known = list(shape.members) if isinstance(shape, Kinds) else []
    if one["type"] == "union_tag_not_found":
        if not isinstance(one["input"], dict):
            detail = f"{_subject(path)} should be a block of `key: value` lines, not {_shown(one['input'], shape)}."
            return composed.diagnostic(
                path, _WRONG_TYPE, detail, f"For example:\n  {{{key}: {known[0]}}}" if known else ""
            )
        detail = f"{_subject(path)} needs '{key}', which says what kind it is."
        hint = f"Kinds: {', '.join(known)}."
        return composed.diagnostic(path, "The kind is missing.", detail, hint, at_key=bool(path))
    given = one["input"].get(key) if isinstance(one["input"], dict) else one.get("ctx", {}).get("tag")
    near = closest(str(given), known)
    return composed.diagnostic(
        (*path, key),
        "The kind is not known.",
        f"There is no kind '{given}' here; the kinds are: {', '.join(known)}.",
        f"Did you mean '{near}'?" if near else "",
    )


def _expected(one: ErrorDetails, shape: Shape | None) -> str | None:
    """What should stand there, when the error is one of type or range."""
    kind = one["type"]
    if kind in _LIMITS:
        return _LIMITS[kind](one.get("ctx", {}))
    if not _is_type_error(kind):
        return None
    base = kind
    for ending in (
        "_attributes_type",
        "_from_float",
        "_from_date_parsing",
        "_parsing_size",
        "_parsing",
        "_type",
    ):
        base = base.removesuffix(ending)
    return _TYPES.get(base)


def _is_type_error(kind: str) -> bool:
    return kind.endswith(("_type", "_parsing", "_from_float", "_inexact", "_parsing_size"))


def _type_hint(kind: str, given: Any, path: Path, shape: Shape | None) -> str:
    """How to write what was most likely meant."""
    if kind in ("list_type", "tuple_type") and isinstance(given, dict):
        return "Put `- ` before it: each item of a list begins so."
    if (
        isinstance(shape, Block)
        and isinstance(given, list)
        and given
        and set(map(str, given)) <= set(shape.keys)
    ):
        return f"Write `{given[0]}: ...` instead of `- {given[0]}`."
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool) and path:
        return (
            f"Put it in quotes: {path[-1]}: '{given}'"
            if isinstance(path[-1], str)
            else f"Put it in quotes: '{given}'"
        )
    if kind == "string_type" and isinstance(given, bool) and path and isinstance(path[-1], str):
        return f"Put it in quotes: {path[-1]}: '{str(given).lower()}'"
    if kind in ("list_type", "tuple_type") and path:
        return (
            f"Write a list: {path[-1]}: [{given}]"
            if isinstance(path[-1], str)
            else f"Write a list: [{given}]"
        )
    return ""


def _subject(path: Path) -> str:
    """How to call the place in a sentence: its key, or the position in the list that its key names."""
    if not path:
        return "The document"
    if isinstance(path[-1], int):
        names = [step for step in path if isinstance(step, str)]
        return f"Item {path[-1] + 1} of '{names[-1]}'" if names else f"Item {path[-1] + 1}"
    return f"'{path[-1]}'"


def _shown(value: Any, shape: Shape | None) -> str:
    """A value as it may be repeated in a message: short, in YAML's words, and never a secret."""
    if isinstance(shape, Leaf) and shape.secret:
        return "this value"
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    return str(value)


def _sentence(message: str, names: Iterable[str] = ()) -> str:
    """A message as a sentence; a key at its beginning keeps the case it has in the file."""
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").strip()
    first = text.split(" ", 1)[0].rstrip(",.:;")
    if first.isalpha() and first not in names:
        text = text[0].upper() + text[1:]
    return text if not text or "\n" in text or text.endswith((".", "!", "?", "`", "}")) else text + "."


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
