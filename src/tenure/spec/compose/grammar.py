"""Overrides in Hydra's grammar: from what was typed to `Override` values."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.core.diagnostics import Diagnostic, Severity
from tenure.core.spans import Span
from tenure.spec.override import Override, Verb

_EXAMPLES = "Examples:\n  env=prod\n  training.limits.max_trials=10\n  ~monitoring.signals.drift"


def parse_overrides(texts: Sequence[str]) -> tuple[tuple[Override, ...], tuple[Diagnostic, ...]]:
    """Parse overrides in Hydra's grammar; what cannot be parsed is reported, one diagnostic each."""
    if not texts:
        return (), ()
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import OverrideType
    from hydra.errors import HydraException

    verbs = {
        OverrideType.CHANGE: Verb.SET,
        OverrideType.ADD: Verb.ADD,
        OverrideType.FORCE_ADD: Verb.FORCE,
        OverrideType.DEL: Verb.DELETE,
    }
    parser = OverridesParser.create()
    parsed: list[Override] = []
    found: list[Diagnostic] = []
    for text in texts:
        try:
            one = parser.parse_override(text)
        except HydraException as error:
            found.append(_not_understood(text, str(error).strip().splitlines()[0]))
            continue
        if not one.key_or_group:
            found.append(_not_understood(text, "the key is missing"))
        elif one.is_sweep_override():
            found.append(
                Diagnostic(
                    Severity.ERROR,
                    "The override holds several values.",
                    f"'{text}' stands for one run per value, and a spec takes one.",
                    f"For a list write:\n  '{one.key_or_group}=[a,b]'",
                    Span(f"override {text}"),
                )
            )
        else:
            parsed.append(Override(text, verbs[one.type], one.key_or_group, one.value(), one.package))
    return tuple(parsed), tuple(found)


def _not_understood(text: str, reason: str) -> Diagnostic:
    return Diagnostic(
        Severity.ERROR,
        "The override cannot be understood.",
        f"'{text}' is not of the form key=value: {reason}.",
        _EXAMPLES,
        Span(f"override {text}"),
    )
