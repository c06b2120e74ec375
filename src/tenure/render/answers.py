"""What every verb prints with `--json`: the answers that no other floor has a value for, and the schema of all.

`answers()` says what each verb prints. An answer is one JSON object with a `format_version`; verbs that report while
they work print one object a line, and the answer is the last. Minor versions only add.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tenure.core import events
from tenure.core.diagnostics import Diagnostic
from tenure.core.errors import SpecError, StageError, TenureError
from tenure.engine.result import ApplyResult, ModelResult, ObserveResult, RunResult
from tenure.plan.change import FORMAT_VERSION as PLAN_FORMAT
from tenure.plan.change import Plan, to_json
from tenure.render.history import Happening
from tenure.render.json import document, json_line, plain
from tenure.state.chain import Problem
from tenure.state.listing import Holding
from tenure.state.record import Acknowledgement, Approval, Fact, ModelState, Record
from tenure.state.store import AuditEvent, AuditHead

FORMAT_VERSION = "1.0"
"""Of all answers but plans, which carry their own. Minor versions only add: readers ignore what they do not know."""

PROGRESS = "Progress"
"""The definition of a line that tells how far an apply is."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a verb did not do what it was asked: an error, with the exit code of the process.

    `type` names the class of the error. `address` and `path` say which resource and which key of its spec it is about,
    `diagnostics` holds every finding in the specs; each is there when there is something to say.
    """

    type: str
    summary: str
    detail: str
    hint: str
    exit_code: int
    address: str = ""
    path: tuple[str | int, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


class Failed(msgspec.Struct, frozen=True):
    """What any verb prints instead of its answer when it ends with an error."""

    error: Failure


class LeftOut(msgspec.Struct, frozen=True):
    """A column that a proposed spec keeps from the model: what it was taken for, and why."""

    column: str
    taken_for: str
    why: str


class ProposedSpec(msgspec.Struct, frozen=True):
    """What was proposed from a file of data. `whole` is false when only its beginning was read; `columns` are those the
    model sees, `sensitive` and `personal` those marked as such."""

    model: str
    spec: str
    rows: int
    whole: bool
    target: str
    target_why: str
    task: str
    primary_metric: str
    timestamp_column: str | None
    split: str
    columns: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    sensitive: tuple[str, ...]
    personal: tuple[str, ...]


class NewProject(msgspec.Struct, frozen=True):
    """A project that was begun: the files that were written into its folder; `proposed` with a spec made from data."""

    folder: Path
    template: str
    ci: str
    files: tuple[str, ...]
    proposed: ProposedSpec | None = None


class Validation(msgspec.Struct, frozen=True):
    """What was found in the selected specs; `valid` is false when one of the findings is an error."""

    valid: bool
    diagnostics: tuple[Diagnostic, ...]


class SchemaFiles(msgspec.Struct, frozen=True):
    """The schema files there are, and those that were written because they were missing or differed."""

    files: tuple[str, ...]
    written: tuple[str, ...]


class ApplyEnd(msgspec.Struct, frozen=True, tag_field="event", tag="result"):
    """The last line of an apply; `result` is null when there was nothing to do, or all that is left is blocked."""

    exit_code: int
    result: ApplyResult | None


class RunEnd(msgspec.Struct, frozen=True, tag_field="event", tag="result"):
    """The last line of one round of `run`."""

    exit_code: int
    result: RunResult


class Models(msgspec.Struct, frozen=True):
    """Everything recorded in an environment, by the names of the models."""

    environment: str
    models: dict[str, ModelState]


class History(msgspec.Struct, frozen=True):
    """What happened to a model, the latest last."""

    model: str
    entries: tuple[Happening, ...]


class Decisions(msgspec.Struct, frozen=True):
    """The decisions that were recorded: one, or one for each model that a saved plan changes."""

    decisions: tuple[Approval, ...]


class Card(msgspec.Struct, frozen=True):
    """The model card of a version in Markdown. `version` is null when none was asked for, `file` when none was."""

    model: str
    version: int | None
    card: str
    file: Path | None


class Written(msgspec.Struct, frozen=True):
    """A file that was written."""

    file: Path


class Report(msgspec.Struct, frozen=True):
    """A report of a model that was written, and what it is about."""

    model: str
    file: Path
    about: str


class Audit(msgspec.Struct, frozen=True):
    """Whether the log holds: how many events it has, its end, the checkpoints it was held against, what is wrong."""

    intact: bool
    events: int
    head: AuditHead | None
    checkpoints: tuple[AuditHead, ...]
    problems: tuple[Problem, ...]


class Serving(msgspec.Struct, frozen=True):
    """The server listens at this address."""

    url: str


class Locks(msgspec.Struct, frozen=True):
    """Who holds which model of an environment, by which lease."""

    environment: str
    leases: tuple[Holding, ...]


class Exported(msgspec.Struct, frozen=True):
    """A state that was written to a file, whose last line says how many lines are before it, and their checksum."""

    file: Path
    lines: int
    sha256: str


class Moved(msgspec.Struct, frozen=True):
    """A model that got another name, and its serial afterwards."""

    model: str
    moved_from: str
    serial: int


class ImportedState(msgspec.Struct, frozen=True):
    """An export that was taken over. `unvouched` counts records its audit log does not mention, `backup` names the copy
    of what was there before (empty when nothing was)."""

    lineage: str
    models: int
    records: int
    events: int
    unvouched: int
    backup: str


class Answer(msgspec.Struct, frozen=True):
    """What one verb prints: one value of `kinds`; before it, or instead of it, `lines`, one value each.

    Values of `kinds` carry a `format_version`.
    """

    kinds: tuple[type[msgspec.Struct], ...]
    lines: tuple[type[msgspec.Struct], ...] = ()


STEPS = (
    events.StepStarted,
    events.StepProgress,
    events.StepFinished,
    events.StepSkipped,
    events.StepBlocked,
    events.StepFailed,
    events.Note,
)
"""The progress of an apply, a line each."""


def answers() -> dict[str, Answer]:
    """What each verb prints with `--json`, by its words on the command line. A new verb is a line here."""
    from tenure.engine.doctor import Diagnosis
    from tenure.engine.life import Shown
    from tenure.engine.surgery import Listed
    from tenure.ml.inference_log import LabelCounts
    from tenure.stages.deployment.batch import Scored
    from tenure.state.upgrading import Upgrade

    return {
        "init": _one(NewProject),
        "validate": _one(Validation),
        "schema": _one(SchemaFiles),
        "plan": _one(Plan),
        "apply": _working(ApplyEnd),
        "show": _one(Models, Shown, Record, Plan),
        "history": _one(History),
        "observe": _one(ObserveResult),
        "run": _working(RunEnd),
        "serve": _one(Serving),
        "predict": _one(Scored),
        "labels": _one(LabelCounts),
        "approve": _one(Decisions),
        "reject": _one(Decisions),
        "acknowledge": _one(Acknowledgement),
        "rollback": _working(Plan, ApplyEnd),
        "promote": _working(Plan, ApplyEnd),
        "retrain": _one(Fact),
        "retire": _one(Plan),
        "card": _one(Card),
        "report": _one(Report),
        "audit verify": _one(Audit),
        "audit export": Answer((Written,), (AuditEvent,)),
        "state list": _one(Listed, Locks),
        "state move": _one(Moved),
        "state forget": _one(ModelResult),
        "state unlock": _one(Holding),
        "state export": _one(Exported),
        "state import": _one(ImportedState),
        "state backup": _one(Written),
        "state upgrade": _one(Upgrade),
        "state doctor": _one(Diagnosis),
        "error": _one(Failed),
    }


def _one(*kinds: type[msgspec.Struct]) -> Answer:
    return Answer(kinds)


def _working(*kinds: type[msgspec.Struct]) -> Answer:
    return Answer(kinds, STEPS)


def failed(error: TenureError) -> Failed:
    """An error raised on purpose, for a program."""
    return Failed(
        Failure(
            type(error).__name__,
            error.summary,
            error.detail,
            error.hint,
            error.exit_code,
            *((error.address, error.path) if isinstance(error, StageError) else ("", ())),
            error.diagnostics if isinstance(error, SpecError) else (),
        )
    )


def answer_text(value: msgspec.Struct, *, one_line: bool = False) -> str:
    """What a verb prints: the value as one object, with the version of its format. A plan is printed as it is saved."""
    if isinstance(value, Plan):
        return document(msgspec.Raw(to_json(value)))
    versioned = {"format_version": FORMAT_VERSION, **plain(value)}
    return json_line(versioned) if one_line else document(versioned)


def schema_files() -> dict[str, str]:
    """The JSON Schemas (draft 2020-12) of what is printed and saved, by file name: plans, and all answers."""
    plan = {
        "$schema": _DRAFT,
        "title": "Tenure plan",
        "description": f"What `tenure plan --json` prints and `--out` saves, format {PLAN_FORMAT}. "
        "Minor versions only add fields: ignore those you do not know.",
        **msgspec.json.schema(Plan),
    }
    return {"plan.schema.json": document(plan), "answers.schema.json": document(answers_schema())}


def answers_schema() -> dict[str, Any]:
    """The JSON Schema of all answers: `#/properties/<verb>` describes what a verb prints, or each line of it.

    `#/properties/error` is what any verb may print instead.
    """
    table = answers()
    kinds = list(dict.fromkeys(kind for answer in table.values() for kind in (*answer.kinds, *answer.lines)))
    refs, definitions = msgspec.json.schema_components(
        kinds, schema_hook=_foreign, ref_template="#/$defs/{name}"
    )
    by_kind = dict(zip(kinds, refs, strict=True))
    definitions |= {
        PROGRESS: {
            "title": PROGRESS,
            "description": "A line that is printed while a verb works, with the time it was printed at.",
            "anyOf": [by_kind[kind] for kind in STEPS],
            "properties": {"at": {"type": "string", "format": "date-time"}},
            "required": ["at"],
        }
    }
    return {
        "$schema": _DRAFT,
        "title": "Answers of Tenure",
        "description": f"What `tenure VERB --json` prints, format {FORMAT_VERSION}: `#/properties/VERB` for each verb, "
        "and `#/properties/error` instead of it when a verb fails. Minor versions only add fields: ignore those you "
        "do not know.",
        "type": "object",
        "properties": {verb: _printed(verb, answer, by_kind) for verb, answer in table.items()},
        "$defs": dict(sorted(definitions.items())),
    }


def _printed(verb: str, answer: Answer, by_kind: dict[type, dict[str, Any]]) -> dict[str, Any]:
    """The schema of what one verb prints, or of each line of it."""
    members = [_versioned(kind, by_kind[kind]) for kind in answer.kinds]
    if answer.lines == STEPS:
        members.append({"$ref": f"#/$defs/{PROGRESS}"})
    else:
        members += [by_kind[kind] for kind in answer.lines]
    said = (
        "What any verb prints last when it fails"
        if verb == "error"
        else f"What `tenure {verb} --json` prints"
    )
    each = ": one object a line." if answer.lines else "."
    return {"description": said + each, **(members[0] if len(members) == 1 else {"anyOf": members})}


def _versioned(kind: type, ref: dict[str, Any]) -> dict[str, Any]:
    version = PLAN_FORMAT if kind is Plan else FORMAT_VERSION
    own = {"type": "string", "pattern": rf"^{version.split('.')[0]}\.\d+$"}
    return {**ref, "properties": {"format_version": own}, "required": ["format_version"]}


def _foreign(kind: type) -> dict[str, Any]:
    if issubclass(kind, Path):
        return {"type": "string"}
    raise NotImplementedError(f"{kind.__name__} has no JSON form")
