"""The errors Tenure raises on purpose. Each knows its exit code; nothing else may reach the user as a traceback.

TenureError                 1
 ├─ SpecError               1   what a person wrote: carries diagnostics with file:line:column
 ├─ StageError              1   a stage could not do its work: address and cause
 │   └─ StageBlocked        3   a stage refused on purpose (a failing data check)
 ├─ Blocked                 3   gate, policy, approval or protection stands in the way
 ├─ PlanError               1   a plan file that cannot be read or does not fit
 │   └─ StalePlan           4   the world moved since the plan was made
 ├─ StateError              1   the recorded state cannot be used
 │   ├─ StateLocked         4   somebody else holds the lease
 │   ├─ StateStale          4   the serial moved under us
 │   ├─ StateTooNew         1   written by a later format
 │   └─ StateTooOld         1   written by an earlier format, and not upgraded yet
 ├─ ArtifactError           1   a blob cannot be stored or read
 │   ├─ ArtifactMissing     1   there is no such blob
 │   └─ ArtifactDamaged     1   its content is not what its name says
 └─ Interrupted           130   Ctrl-C or a termination signal
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tenure.core.diagnostics import Diagnostic


class TenureError(Exception):
    """Base of everything raised on purpose: a fixed summary, what is wrong, and the way out."""

    exit_code: ClassVar[int] = 1

    def __init__(self, summary: str, detail: str = "", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.summary, self.detail, self.hint) if part)


class SpecError(TenureError):
    """Specs that cannot be used; carries every diagnostic found, not only the first."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} problem(s) in the specs")
        self.diagnostics = tuple(diagnostics)


class StageError(TenureError):
    """A stage verb failed. `path` points into the model's spec when the cause is a field of it."""

    def __init__(
        self, summary: str, detail: str = "", hint: str = "", *, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(summary, detail, hint)
        self.path = path
        self.address = ""


class StageBlocked(StageError):
    """A stage refused on purpose: the rule it enforces did not hold."""

    exit_code = 3


class Blocked(TenureError):
    """Nothing is broken, but a rule stands in the way."""

    exit_code = 3


class PlanError(TenureError):
    """A plan that cannot be read or used."""


class StalePlan(PlanError):
    """The plan was made for a state, a spec or a world that is no longer there."""

    exit_code = 4


class StateError(TenureError):
    """The recorded state cannot be used."""


class StateLocked(StateError):
    """Another run holds the lease of this model."""

    exit_code = 4


class StateStale(StateError):
    """The recorded state moved while we were working on it."""

    exit_code = 4


class StateTooNew(StateError):
    """The state was written by a later version of Tenure."""


class StateTooOld(StateError):
    """The state has to be upgraded before this version can do that with it."""


class ArtifactError(TenureError):
    """A blob cannot be stored or read."""


class ArtifactMissing(ArtifactError):
    """The store was asked and has no such blob. An artifact store that cannot be reached does not raise this."""


class ArtifactDamaged(ArtifactError):
    """The content of a blob is not what its name says."""


class Interrupted(TenureError):
    """Stopped by Ctrl-C or a termination signal."""

    exit_code = 130
