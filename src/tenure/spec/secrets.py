"""References to secrets, `${env:NAME}` and `${file:/run/secrets/x}`: resolved at the moment of use, never earlier."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tenure.core.errors import StageError

_REFERENCE = re.compile(r"(?P<slashes>\\*)\$\{(?P<source>env|file):(?P<what>[^{}]*)\}")


def references(text: str) -> tuple[str, ...]:
    """The references in a text, as written: what may be shown in place of the secret."""
    return tuple(
        f"${{{found['source']}:{found['what']}}}"
        for found in _REFERENCE.finditer(text)
        if len(found["slashes"]) % 2 == 0
    )


def resolve_secrets(text: str) -> str:
    """The text with its references replaced by what they stand for now; `\\${` gives a literal `${`.

    `${env:NAME}` is an environment variable, `${env:NAME,fallback}` one with a fallback, `${file:PATH}` the content of
    a file without the line break at its end. Raises StageError when one is missing; the message never holds a value.
    """
    return re.sub(r"\\\$\{", "${", _REFERENCE.sub(_resolve, text))


def _resolve(found: re.Match[str]) -> str:
    slashes, what = found["slashes"], found["what"].strip()
    if len(slashes) % 2:
        return found[0]
    kept = slashes[: len(slashes) // 2]
    if found["source"] == "file":
        return kept + _file(what)
    name, comma, fallback = what.partition(",")
    value = os.environ.get(name.strip())
    if value is None and not comma:
        raise StageError(
            "A secret is missing.",
            f"The environment variable {name.strip()} is not set, and ${{env:{what}}} refers to it.",
            f"Set it before running Tenure:\n  export {name.strip()}=...",
        )
    return kept + (_unquoted(fallback.strip()) if value is None else value)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "it is not UTF-8 text").lower()
        raise StageError(
            "A secret is missing.",
            f"The file {name} cannot be read: {reason}; ${{file:{name}}} refers to it.",
            "Create it, or correct the path.",
        ) from error
