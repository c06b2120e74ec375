"""References in values, `${var.x}` and `${env:NAME}`, evaluated by OmegaConf one leaf at a time."""

from __future__ import annotations

import copy
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from tenure.core.diagnostics import Diagnostic, Severity, way_out
from tenure.core.spans import Path
from tenure.spec.compose.composed import VARIABLES, Composed

_SIMPLE = re.compile(r"\$\{\s*(var\.|env:|file:)")
_SECRET = re.compile(r"([^$\\]|\$(?!\{)|\$\{(env|file):[^{}$]*\})*")
_ANY = re.compile(r"\$\{")
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")
_ESCAPES = re.compile(r"(\\+)(?=\$\{)")
# Stands for `$` in what a kept reference evaluates to, so that nothing takes it for one more reference to follow.
_KEPT = "\ue000"
_KINDS = "References are ${var.name}, ${env:NAME} and ${file:PATH}; for a literal `${` write `\\${`."
Secrets = Callable[[dict[str, Any]], Iterable[Path]]


class _Scope:
    """What the resolvers may read while one leaf is evaluated, and what they did read."""

    def __init__(self) -> None:
        self.keep = False
        self.problem: _Unresolved | None = None
        self.environment: dict[str, None] = {}

    def failed(self, summary: str, detail: str, hint: str) -> _Unresolved:
        """The error for a resolver to raise; kept here since OmegaConf wraps what its resolvers raise."""
        self.problem = _Unresolved(summary, detail, hint)
        return self.problem


class _Unresolved(Exception):
    def __init__(self, summary: str, detail: str, hint: str) -> None:
        super().__init__(detail)
        self.summary, self.detail, self.hint = summary, detail, hint


_scope: ContextVar[_Scope] = ContextVar("tenure_reference_scope")
_registration = threading.Lock()


def resolve(composed: Composed, environment: Mapping[str, Any], secrets: Secrets) -> Composed:
    """Every reference replaced by its value; what leads nowhere and variables that nobody uses are reported.

    `environment` holds the variables of the environment, which win over the document's own `variables:`. The leaves
    that `secrets` names keep their `${env:...}` and `${file:...}`. The result has no `variables`.
    """
    data = {key: value for key, value in composed.data.items() if key != VARIABLES}
    declared = composed.data.get(VARIABLES)
    found: list[Diagnostic] = []
    if declared is not None and not isinstance(declared, dict):
        detail = "`variables:` holds `name: value` lines."
        found.append(composed.diagnostic((VARIABLES,), "The variables are not a mapping.", detail))
    own: dict[str, Any] = declared if isinstance(declared, dict) else {}
    variables = {**own, **environment}
    leaves = [(path, text) for path, text in _texts(data, ()) if "${" in text]
    scope = _Scope()
    kept = set(secrets(data)) if leaves else set()
    # A secret that refers to nothing of ours stays as it is; loading OmegaConf for that would be a waste.
    leaves = [(path, text) for path, text in leaves if path not in kept or not _SECRET.fullmatch(text)]
    if leaves:
        root = _root(composed, data, leaves, variables, found)
        data = copy.deepcopy(data)
        for path, text in leaves:
            scope.keep = path in kept
            try:
                _put(data, path, _evaluate(root, text, scope))
            except _Unresolved as problem:
                found.append(composed.diagnostic(path, problem.summary, problem.detail, problem.hint))
    used = {name for _, text in (*leaves, *_texts(variables, ())) for name in _variables_in(text)}
    # After an error the misspelt reference is likely to be the use that a variable lacks.
    unused = [] if found else [name for name in own if name not in used]
    for name in unused:
        detail, hint = f"Nothing refers to ${{var.{name}}}.", "Remove it, or use it."
        summary = "A variable is not used."
        found.append(
            composed.diagnostic((VARIABLES, name), summary, detail, hint, Severity.WARNING, at_key=True)
        )
    return replace(
        composed,
        data=data,
        environment=tuple(scope.environment),
        diagnostics=(*composed.diagnostics, *found),
    )


def _root(
    composed: Composed,
    data: dict[str, Any],
    leaves: Sequence[tuple[Path, str]],
    variables: dict[str, Any],
    found: list[Diagnostic],
) -> Any:
    """What references can reach: the variables, and the document itself only where one needs it (it is costly)."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    _register()
    reachable: dict[str, Any] = {"var": {}}
    for name, value in variables.items():
        try:
            for _, text in _texts(value, ()):
                _refuse_other_resolvers(text)
            OmegaConf.create({name: value})
        except (OmegaConfBaseException, _Unresolved) as error:
            problem = error if isinstance(error, _Unresolved) else _malformed(str(value))
            where = (VARIABLES, name)
            found.append(composed.diagnostic(where, problem.summary, problem.detail, problem.hint))
            value = ""  # said once, here; where it is used there is nothing to add
        reachable["var"][name] = value
    texts = [text for _, text in leaves] + [text for _, text in _texts(variables, ())]
    if any(len(_SIMPLE.findall(text)) != len(_ANY.findall(text)) for text in texts):
        for key, value in data.items():
            try:
                OmegaConf.create({key: value})
            except OmegaConfBaseException:
                continue  # reported at the leaf that is malformed
            reachable.setdefault(key, value)
    return OmegaConf.create(reachable)


def _register() -> None:
    from omegaconf import OmegaConf

    with _registration:
        if not OmegaConf.has_resolver("file"):
            OmegaConf.register_new_resolver("env", _environment_variable, replace=True)
            OmegaConf.register_new_resolver("file", _secret_file)


def _environment_variable(name: str = "", *fallback: Any) -> Any:
    scope = _scope.get()
    if not name:
        raise scope.failed(
            "The reference is malformed.", "`${env:}` names no variable.", "Write ${env:NAME}."
        )
    if scope.keep:
        return f"{_KEPT}{{env:{','.join(str(part) for part in (name, *fallback))}}}"
    scope.environment[name] = None
    value = os.environ.get(name)
    if value is not None:
        return value
    if fallback:
        return fallback[0]
    raise scope.failed(
        "An environment variable is not set.",
        f"The spec reads ${{env:{name}}}, and {name} is not set.",
        f"Set it, or give a fallback: ${{env:{name},value}}",
    )


def _secret_file(*parts: Any) -> str:
    name = ",".join(str(part) for part in parts)
    scope = _scope.get()
    if scope.keep:
        return f"{_KEPT}{{file:{name}}}"
    raise scope.failed(
        "A file reference stands where no secret belongs.",
        f"${{file:{name}}} is for fields that hold secrets, such as a password or a connection.",
        "Write the value itself, or use a variable: ${var.name}",
    )


def _evaluate(root: Any, text: str, scope: _Scope) -> Any:
    """The value of one leaf. In a leaf that keeps its references, an escape must survive until they are resolved."""
    from omegaconf import OmegaConf
    from omegaconf.errors import GrammarParseError, OmegaConfBaseException

    _refuse_other_resolvers(text)
    if scope.keep:
        text = _ESCAPES.sub(lambda found: found[1] * 2 + ("\\" if len(found[1]) % 2 else ""), text)
    scope.problem = None
    token = _scope.set(scope)
    try:
        holder = OmegaConf.create({"leaf": text})
        holder._set_parent(root)
        value = holder.leaf
    except GrammarParseError:
        raise _malformed(text) from None
    except OmegaConfBaseException as error:
        # Set by a resolver in the meantime, which the type checker cannot see.
        problem: _Unresolved | None = vars(scope)["problem"]
        raise problem or _dangling(root, text, error) from None
    finally:
        _scope.reset(token)
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value, resolve=True)
    return value.replace(_KEPT, "$") if isinstance(value, str) else value


def _refuse_other_resolvers(text: str) -> None:
    """OmegaConf has more resolvers; one of them would read the environment behind our back, secrets included."""
    for name in _RESOLVER.findall(text):
        if name not in ("env", "file"):
            raise _Unresolved(
                "The reference is of an unknown type.", f"There is no `${{{name}:...}}`.", _KINDS
            )


def _malformed(text: str) -> _Unresolved:
    return _Unresolved(
        "The reference is malformed.",
        f"`{text}` holds `${{` that does not begin a reference.",
        _KINDS,
    )


def _dangling(root: Any, text: str, error: Exception) -> _Unresolved:
    names = _variables_in(text)
    known = [str(name) for name in root.var]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        return _Unresolved(
            "The variable is not defined.",
            f"${{var.{unknown}}} is neither in `variables` nor among the environment's.",
            way_out(unknown, known, "Defined are") or "Define it under `variables:`.",
        )
    return _Unresolved("The reference leads nowhere.", f"`{text}`: {_first_line(error)}.", "")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _variables_in(text: str) -> list[str]:
    return re.findall(r"\$\{\s*var[.\[]([^.}\s\[\]]+)", text)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _texts(item, (*path, position))


def _put(data: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value
