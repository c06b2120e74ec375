"""What changed under version control: the only place that asks Git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tenure.core.errors import TenureError

_SECONDS = 60


def changed_since(root: Path, ref: str) -> frozenset[str]:
    """The files below `root` that differ from a commit, as paths relative to `root`, untracked ones included.

    Compared is the working tree with the point where its history left `ref`: what others have added to `ref` meanwhile
    is no change of ours. Raises TenureError where there is no Git repository, or no such commit.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        inside = _git(root, "rev-parse", "--is-inside-work-tree")
        raise TenureError(
            "Git cannot say what changed.",
            f"There is no commit {ref!r} here."
            if inside
            else f"{root} is not in a Git repository, or Git is not installed.",
            "Name a branch, a tag or a commit that was fetched: git:origin/main"
            if inside
            else "Select models by name, pattern, path, owner:NAME or tag:KEY.",
        )
    base = _git(root, "merge-base", commit, "HEAD") or commit
    tracked = _git(root, "diff", "--name-only", "--relative", "-z", base, "--", ".")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    return frozenset(name for names in (tracked, untracked) for name in (names or "").split("\0") if name)


def _git(root: Path, *words: str) -> str | None:
    """The answer of one command; None when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # File names are bytes; Git gives them as they are.
    return done.stdout.decode(errors="surrogateescape").strip("\n") if done.returncode == 0 else None
