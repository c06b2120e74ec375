"""Doing something again that failed because the connection was lost, or because another writer came in between.

Between two attempts there is a pause that grows and is drawn by lot, so that many processes that lost the same server
do not all come back in the same moment.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tenure.core.errors import StateError, StateLocked
from tenure.state.database import Value

Tell = Callable[[str], None]
"""Takes a sentence for the user: the connection was lost, or is back."""

FIRST_SECONDS = 5.0
"""How long a server is waited for that has not answered yet: it may be about to start, or the address is wrong."""

_SHORTEST, _LONGEST = 0.05, 2.0
_MOST_CONFLICTS = 50


class Lost(Exception):
    """There is no connection any more. The next attempt makes a new one."""


class Conflict(Exception):
    """Another writer came first. The next attempt sees what it wrote."""


class Retrying:
    """Repeats attempts at one database: conflicts a number of times, lost connections for some seconds.

    Once it has given up, the following calls do not wait again until one of them succeeds.
    """

    def __init__(self, seconds: float, tell: Tell) -> None:
        self._seconds = seconds
        self._tell = tell
        self._reached = False
        self._given_up = False
        self._away_since: float | None = None

    def run(
        self, attempt: Callable[[], Value], place: Callable[[], str], *, persistent: bool = True
    ) -> Value:
        """What the first attempt returns that is neither `Lost` nor a `Conflict`.

        With `persistent=False` a lost connection is made again once, without waiting. `place` names the database in
        messages. Raises StateError when the connection does not come back in time, and StateLocked when others always
        come first.
        """
        losses = conflicts = 0
        began = patience = 0.0
        while True:
            try:
                value = attempt()
            except Conflict as conflict:
                conflicts += 1
                if conflicts > _MOST_CONFLICTS:
                    raise _crowded(place(), str(conflict)) from conflict
                time.sleep(random.uniform(0.0, 0.002 * min(2**conflicts, 64)))
            except Lost as loss:
                losses += 1
                if losses == 1:
                    # What others find out meanwhile does not make this one wait shorter.
                    began, patience = time.monotonic(), self._patience(persistent)
                waited = time.monotonic() - began
                if losses > 1 and waited >= patience:
                    self._given_up |= persistent
                    raise _unreachable(place(), str(loss), waited if self._reached else 0.0) from loss
                if losses > 1 and persistent:
                    self._say_that_it_is_away(began, str(loss), patience)
                # A connection that nobody used for a while may be gone while the server is there.
                again_at_once = losses == 1 and self._reached
                time.sleep(0.0 if again_at_once else max(0.0, min(_pause(losses), patience - waited)))
            else:
                self._reached, self._given_up = True, False
                self._say_that_it_is_back()
                return value

    def _say_that_it_is_away(self, since: float, reason: str, patience: float) -> None:
        """Once for one outage, however many threads wait for its end."""
        if self._away_since is None:
            self._away_since = since
            what = "The connection to the state was lost" if self._reached else "The state does not answer"
            self._tell(f"{what} ({reason}). Trying again for up to {patience:.0f} s.")

    def _say_that_it_is_back(self) -> None:
        since, self._away_since = self._away_since, None
        if since is not None:
            self._tell(f"The state can be reached again, after {time.monotonic() - since:.1f} s.")

    def _patience(self, persistent: bool) -> float:
        if not persistent or self._given_up:
            return 0.0
        return self._seconds if self._reached else min(self._seconds, FIRST_SECONDS)


def _pause(losses: int) -> float:
    longest = min(_LONGEST, _SHORTEST * 2 ** min(losses, 16))
    return random.uniform(longest / 2, longest)


def _unreachable(place: str, reason: str, waited: float) -> StateError:
    tried = f" It was tried again for {waited:.0f} s." if waited >= 1 else ""
    return StateError(
        "The state cannot be reached",
        f"{place}: {reason}.{tried} Nothing that was recorded is lost.",
        "Check that the server runs and answers to this machine, then repeat the command: it continues from what is"
        " recorded.",
    )


def _crowded(place: str, reason: str) -> StateLocked:
    return StateLocked(
        "The state is busy",
        f"Others keep writing to {place} at the same time ({reason}). Nothing was written.",
        "Repeat the command.",
    )
