"""Which fragments a document consists of, and in which order: its `defaults:` list, read by Hydra.

Merging is done here on plain data, key by key and lists as a whole as Hydra does, so that the position of every value
can be merged along with it and text that OmegaConf cannot parse does no harm before it is pointed at.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.spans import Path
from tenure.spec.compose.composed import DEFAULTS, Composed, Layer
from tenure.spec.compose.plain import plain_layers
from tenure.spec.fragments import Fragments, package_of
from tenure.spec.override import Override, Verb, apply_override
from tenure.spec.read import Document

if TYPE_CHECKING:
    from hydra.core.default_element import ResultDefault

_PRIMARY = "__document__"


def assemble(document: Document, fragments: Fragments, overrides: Sequence[Override] = ()) -> Composed:
    """The document with its fragments below and the overrides on top; references are still as written."""
    groups = tuple(one for one in overrides if _chooses_fragment(one, document, fragments))
    if DEFAULTS in document.data or groups:
        layers = plain_layers(document, fragments, groups)
        composed = _by_hydra(document, fragments, groups) if layers is None else _merged(layers)
    else:
        composed = Composed(document.data, (Layer(document),))
    own = [one for one in overrides if one not in groups]
    if not own:
        return composed
    data = copy.deepcopy(composed.data)
    problems = [apply_override(data, one, composed.overridden) for one in own]
    found = tuple(problem for problem in problems if problem is not None)
    return replace(composed, data=data, diagnostics=composed.diagnostics + found)


def _chooses_fragment(override: Override, document: Document, fragments: Fragments) -> bool:
    """`monitoring=strict` chooses a fragment where there is a `conf/monitoring/`; anything else changes values.

    `~monitoring` leaves out the fragment where the document names one, and otherwise deletes the section.
    """
    if "." in override.key or not fragments.is_group(override.key):
        return False
    if override.verb is Verb.DELETE:
        listed = document.data.get(DEFAULTS)
        entries = listed if isinstance(listed, list) else []
        return any(isinstance(entry, dict) and override.key in entry for entry in entries)
    return isinstance(override.value, str)


def _merged(layers: tuple[Layer, ...]) -> Composed:
    data: dict[str, Any] = {}
    for layer in layers:
        own = {key: value for key, value in layer.document.data.items() if key != DEFAULTS}
        data = _merge(data, _nest(layer.at, own))
    return Composed(data, layers)


def _by_hydra(document: Document, fragments: Fragments, overrides: Sequence[Override]) -> Composed:
    """Ask Hydra which fragments the document consists of, and merge them in its order."""
    from hydra._internal.defaults_list import create_defaults_list
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    own = {key: value for key, value in document.data.items() if key != DEFAULTS}
    alone = Composed(own, (Layer(document),), complete=False)
    problems: list[Diagnostic] = []
    try:
        # Hydra's own entry point also composes Hydra's run-time settings (logging, output folders), which is 30 times
        # the work and leaves traces; the defaults list alone is what we ask for.
        chosen = create_defaults_list(
            repo=_repository(document, fragments, problems),
            config_name=_PRIMARY,
            overrides_list=OverridesParser.create().parse_overrides([one.text for one in overrides]),
            prepend_hydra=False,
            skip_missing=False,
        ).defaults
    except MissingConfigException as error:
        problems = problems or [_missing_fragment(alone, document, fragments, overrides, error)]
        return replace(alone, diagnostics=tuple(problems))
    except (HydraException, OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        problems = problems or [_bad_defaults(alone, document, overrides, error)]
        return replace(alone, diagnostics=tuple(problems))
    return _merged(tuple(_layer(one, document, fragments) for one in chosen))


def _layer(chosen: ResultDefault, document: Document, fragments: Fragments) -> Layer:
    name = chosen.config_path or _PRIMARY
    found = document if name == _PRIMARY else fragments.get(name)[0]
    assert found is not None
    package = chosen.package or ""
    at = tuple(package.split(".")) if package else ()
    return Layer(found, "" if name == _PRIMARY else name, at)


def _repository(document: Document, fragments: Fragments, problems: list[Diagnostic]) -> Any:
    """What Hydra reads from: documents that are parsed already, by our rules instead of its YAML 1.1."""
    from hydra._internal.config_repository import ConfigRepository
    from hydra.core.object_type import ObjectType
    from hydra.plugins.config_source import ConfigResult, ConfigSource
    from omegaconf import OmegaConf

    class Source(ConfigSource):
        @staticmethod
        def scheme() -> str:
            return "tenure"

        def load_config(self, config_path: str) -> ConfigResult:
            if config_path == _PRIMARY:
                found, package = document, ""
            else:
                read, broken = fragments.get(config_path)
                problems.extend(broken)
                if read is None:
                    raise ValueError(config_path)
                found, package = read, package_of(read, config_path)
            entries = found.data.get(DEFAULTS, [])
            if isinstance(entries, list) and "_self_" not in entries:
                # Hydra's rule since 1.1: what a file says itself wins over what it includes.
                entries = [*entries, "_self_"]
            # Hydra needs to know whether there is content, not what it is; our data may hold text it cannot parse.
            config = OmegaConf.create({DEFAULTS: entries, "content": True})
            return ConfigResult(
                provider=self.provider, path=found.file, config=config, header={"package": package}
            )

        def available(self) -> bool:
            return True

        def is_group(self, config_path: str) -> bool:
            return fragments.is_group(config_path)

        def is_config(self, config_path: str) -> bool:
            return config_path == _PRIMARY or fragments.has(config_path)

        def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
            return fragments.options(config_path)

    class Repository(ConfigRepository):
        def initialize_sources(self, config_search_path: Any) -> None:
            self.sources = [Source(provider="tenure", path=f"{Source.scheme()}://{fragments.shown}")]

    return Repository(None)  # type: ignore[arg-type]


def _missing_fragment(
    alone: Composed, document: Document, fragments: Fragments, overrides: Sequence[Override], error: Any
) -> Diagnostic:
    name = str(error.missing_cfg_file or "")
    summary = "The fragment does not exist."
    hint = fragments.suggestion(name)
    asked = next((one for one in overrides if name == f"{one.key}/{one.value}"), None)
    if asked is not None:
        detail = f"There is no {fragments.shown}/{name}.yaml."
        if asked.key == "state":
            hint += "\nA model's own `state` is set in its spec file."
        return Diagnostic(Severity.ERROR, summary, detail, hint, asked.span)
    entry = _entry(document.data.get(DEFAULTS), name)
    where = (DEFAULTS,) if entry is None else (DEFAULTS, entry)
    detail = f"'{name}' is asked for here, and there is no {fragments.shown}/{name}.yaml."
    return alone.diagnostic(where, summary, detail, hint)


def _entry(defaults: Any, name: str) -> int | None:
    """The position in a defaults list of what asks for a fragment."""
    for position, item in enumerate(defaults if isinstance(defaults, list) else []):
        if isinstance(item, dict):
            for key, value in item.items():
                group = str(key).split(" ")[-1].split("@")[0].strip("/")
                if name in (f"{group}/{value}", group):
                    return position
        elif str(item).split("@")[0].strip("/") == name:
            return position
    return None


def _bad_defaults(
    alone: Composed, document: Document, overrides: Sequence[Override], error: Exception
) -> Diagnostic:
    detail = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    detail = detail.replace(f"'{_PRIMARY}'", document.file).replace(_PRIMARY, document.file)
    blamed = next((one for one in overrides if f"'{one.key}'" in detail or one.text in detail), None)
    if blamed is not None:
        return Diagnostic(
            Severity.ERROR,
            "The override chooses a fragment in vain.",
            detail,
            f"To add it:\n  +{blamed.text.lstrip('+')}",
            blamed.span,
        )
    return alone.diagnostic(
        (DEFAULTS,),
        "The defaults list cannot be used.",
        detail,
        "Write it as a list:\n  defaults:\n    - monitoring: standard",
    )


def _nest(at: Path, data: dict[str, Any]) -> dict[str, Any]:
    for step in reversed(at):
        data = {str(step): data}
    return data


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Key by key where both are mappings; anything else, lists included, is replaced.

    The result shares what it takes over unchanged with both. Whoever changes composed data copies them first.
    """
    merged = dict(base)
    for key, value in top.items():
        before = base.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[key] = _merge(before, value)
        else:
            merged[key] = value
    return merged
