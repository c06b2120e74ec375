"""The configuration of the project: `conf/config.yaml` with its groups, and overrides; everything has a default."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenure.core.diagnostics import Diagnostic, has_errors, in_order
from tenure.core.effect import Effect
from tenure.spec.artifacts import ArtifactsConfig
from tenure.spec.base import DurationText, SpecModel, config_of, field
from tenure.spec.compose.composed import DEFAULTS, Composed
from tenure.spec.compose.grammar import parse_overrides
from tenure.spec.compose.layers import assemble
from tenure.spec.compose.references import resolve
from tenure.spec.executor import ExecutorConfig
from tenure.spec.fragments import PRIMARY, Fragments
from tenure.spec.override import Override, Verb
from tenure.spec.read import Document
from tenure.spec.shape import Block, secret_leaves
from tenure.spec.state import StateConfig
from tenure.spec.validate import NOTHING_READ, Reads, validate

KEYS = ("env", "state", "artifacts", "executor", "server", "actor")
"""Overrides that begin with one of these configure the project; all others go to the specs."""

LIFECYCLE = ("state=active", "state=deprecated", "state=retired")
"""`state` is also a key of specs, where a model is in its life: these overrides go to them."""

_DEFAULT_CHOICES = {"env": "dev", "state": "sqlite", "artifacts": "local", "executor": "local"}
_ENVIRONMENT = re.compile(r"env=(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*)")


class Environment(SpecModel):
    """An environment: its own state, its own endpoints, and values for the variables of specs."""

    name: str = field(
        Effect.REDEPLOY,
        "Name of the environment; its state and artifacts lie in a folder of that name.",
        examples=["prod"],
    )
    variables: dict[str, Any] = field(
        Effect.RETRAIN, "Values for `${var.name}` in specs; they win over a spec's own `variables`.", dict
    )


class Server(SpecModel):
    """The model server of this environment."""

    url: str | None = field(
        Effect.OPERATE,
        "Where the server answers. With it, apply waits until the server serves the new version.",
        None,
        examples=["http://127.0.0.1:8080"],
    )
    poll: DurationText = field(
        Effect.OPERATE, "How often the server looks for changes of the state.", "300ms"
    )


class Removed(SpecModel):
    """A model whose spec was removed, and whose records may leave the state."""

    model: str = field(Effect.RETIRE, "Name of the model.", min_length=1, examples=["churn-2023"])
    reason: str = field(
        Effect.METADATA,
        "Why; shown in the plan and kept in the audit log.",
        min_length=1,
        examples=["merged into churn"],
    )


class ProjectConfig(SpecModel):
    """Where the project keeps its state and artifacts, and what its environment is called."""

    env: Environment = field(Effect.REDEPLOY, "The environment.")
    state: StateConfig = field(Effect.OPERATE, "Where the recorded state lies.")
    artifacts: ArtifactsConfig = field(Effect.OPERATE, "Where artifacts lie.")
    executor: ExecutorConfig = field(Effect.OPERATE, "Where work runs: trials, and what they need.")
    server: Server = field(Effect.OPERATE, "The model server.", Server)
    removed: tuple[Removed, ...] = field(
        Effect.RETIRE,
        "Models to forget: their records leave the state once nothing serves and nothing protects them, and a copy is "
        "kept in a file. Without an entry, a model whose spec is gone stays as it is.",
        (),
    )
    actor: str | None = field(
        Effect.OPERATE, "Name recorded with everything that is done; by default the user's name.", None
    )

    @property
    def state_settings(self) -> dict[str, Any]:
        """How to open the state, as plain data. References to secrets are as written."""
        return config_of(self.state)


@dataclass(frozen=True)
class Project:
    """A project as configured. `overrides` are those meant for specs; `reads` is everything the result depends on."""

    root: Path
    config: ProjectConfig
    fragments: Fragments
    overrides: tuple[Override, ...] = ()
    reads: Reads = NOTHING_READ


def load_project(root: Path, overrides: Sequence[str] = ()) -> tuple[Project | None, tuple[Diagnostic, ...]]:
    """Compose the configuration of the project in `root` with the overrides of the command line.

    Without `conf/` everything has its default, and Hydra is loaded only for overrides other than `env=NAME`.
    """
    parsed, found = _parse(overrides)
    ours = tuple(one for one in parsed if one.first in KEYS and one.text not in LIFECYCLE)
    fragments = Fragments(root / "conf")
    document, problems = fragments.get(PRIMARY)
    if problems or has_errors(found):
        return None, in_order((*problems, *found))
    written = document or Document("built-in configuration", "", {})
    builtin = _builtin(fragments, ours)
    composed = _compose(written, fragments.with_builtin(builtin), ours)
    loaded = validate(ProjectConfig, composed)
    diagnostics = in_order((*found, *loaded.diagnostics))
    if loaded.value is None:
        return None, diagnostics
    specs = tuple(one for one in parsed if one not in ours)
    return Project(root, loaded.value, fragments, specs, loaded.reads), diagnostics


def _parse(texts: Sequence[str]) -> tuple[tuple[Override, ...], tuple[Diagnostic, ...]]:
    # Hydra's grammar takes long to load, and this one override comes with every command of a second environment.
    plain = [match for text in texts if (match := _ENVIRONMENT.fullmatch(text))]
    if len(plain) == len(texts):
        return tuple(Override(match[0], Verb.SET, "env", match["name"]) for match in plain), ()
    return parse_overrides(texts)


def _builtin(fragments: Fragments, overrides: Sequence[Override]) -> dict[str, Document]:
    """The groups as they are where `conf/` has none. A project without `conf/env/` may use any name."""
    names = {"dev"}
    if not fragments.is_group("env"):
        names |= {one.value for one in overrides if one.key == "env" and isinstance(one.value, str)}
    pieces: dict[str, dict[str, Any]] = {f"env/{name}": {} for name in names}
    pieces["state/sqlite"] = {"type": "sqlite"}
    pieces["state/postgres"] = {"type": "postgres", "url": "${env:TENURE_STATE_URL}"}
    pieces["artifacts/local"] = {"type": "local"}
    pieces["artifacts/s3"] = {"type": "s3"}
    pieces["executor/local"] = {"type": "local"}
    pieces["executor/dask"] = {"type": "dask"}
    return {name: Document(f"built-in {name}", "", data) for name, data in pieces.items()}


def _compose(written: Document, fragments: Fragments, overrides: Sequence[Override]) -> Composed:
    if fragments.files or any(one.key != "env" or one.verb is not Verb.SET for one in overrides):
        return _complete(assemble(_with_all_groups(written), fragments, overrides))
    name = next((one.value for one in reversed(overrides)), _DEFAULT_CHOICES["env"])
    places = {"state": {"type": "sqlite"}, "artifacts": {"type": "local"}, "executor": {"type": "local"}}
    return _complete(Composed({"env": {"name": name}, **places}, ()))


def _with_all_groups(written: Document) -> Document:
    """The document with the groups its defaults list leaves out, so that `env=prod` always finds its place."""
    listed = written.data.get(DEFAULTS, [])
    if not isinstance(listed, list):
        return written
    mentioned = {str(key).split(" ")[-1] for item in listed if isinstance(item, dict) for key in item}
    missing = [{group: choice} for group, choice in _DEFAULT_CHOICES.items() if group not in mentioned]
    end = listed.index("_self_") if "_self_" in listed else len(listed)
    return replace(written, data={**written.data, DEFAULTS: [*listed[:end], *missing, *listed[end:]]})


def _complete(composed: Composed) -> Composed:
    """References resolved and paths filled in. Variables stay as written: each spec evaluates them by its own rules."""
    data = dict(composed.data)
    env = data.get("env")
    kept: dict[str, Any] = {}
    if isinstance(env, dict):
        kept = {key: value for key, value in env.items() if key == "variables"}
        name = composed.chosen.get("env", _DEFAULT_CHOICES["env"])
        data["env"] = {"name": name, **{key: value for key, value in env.items() if key not in kept}}
    resolved = resolve(
        replace(composed, data=data), {}, lambda data: secret_leaves(Block(ProjectConfig), data)
    )
    data = dict(resolved.data)
    if isinstance(env, dict):
        data["env"] = {**data["env"], **kept}
        name = data["env"]["name"]
        if isinstance(state := data.get("state"), dict):
            shared = state.get("type") == "postgres"
            where = {"schema": f"tenure_{name}"} if shared else {"path": f".tenure/{name}/state.db"}
            data["state"] = {**where, **state}
        if isinstance(artifacts := data.get("artifacts"), dict):
            shared = artifacts.get("type") == "s3"
            where = {"prefix": str(name)} if shared else {"path": f".tenure/{name}/artifacts"}
            data["artifacts"] = {**where, **artifacts}
    return replace(resolved, data=data)
