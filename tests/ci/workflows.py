"""Just enough of GitHub Actions and GitLab CI to carry out the jobs of a file as they are written."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_NAMES = re.compile(r"'[^']*'|[a-z_]+(?:\.[A-Za-z_-]+)+")
_VARIABLES = re.compile(r'"[^"]*"|\$[A-Z_]+')


def evaluated(expression: str, context: Mapping[str, Any]) -> Any:
    """A GitHub expression of names, strings, `==`, `!=`, `&&` and `||`; names that are not there are empty."""
    python = _NAMES.sub(
        lambda found: found[0] if found[0].startswith("'") else repr(context.get(found[0], "")), expression
    )
    return eval(python.replace("&&", " and ").replace("||", " or "), {"__builtins__": {}})


def substituted(text: str, context: Mapping[str, Any]) -> str:
    """A text with its `${{ ... }}` replaced."""
    return EXPRESSION.sub(lambda found: str(evaluated(found[1], context)), text)


def holds(rule: str, variables: Mapping[str, str]) -> bool:
    """A GitLab rule of variables, strings, `==`, `!=` and `&&`; variables that are not there are null."""
    python = _VARIABLES.sub(
        lambda found: found[0] if found[0].startswith('"') else repr(variables.get(found[0][1:])), rule
    )
    return bool(eval(python.replace("&&", " and "), {"__builtins__": {}}))


def carried_out(
    script: str, folder: Path, environment: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """A shell script, run by bash with these options."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", *options, "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
