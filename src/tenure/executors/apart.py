"""A process for work that may have to be ended at any time, and what runs in it.

It loads what the work needs, keeps it for the next, and dies with whoever started it: its input ends then. Both sides
are this very program, so what passes between them may be pickled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

from tenure.executors.executor import Ended, Stopping, Work

_LOOK_SECONDS = 0.1


class Child:
    """One process, used for one piece of work after the other."""

    def __init__(self) -> None:
        ours, theirs = os.pipe(), os.pipe()  # answers to us, questions to it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(theirs[0]), str(ours[1])],
            pass_fds=(theirs[0], ours[1]),
            # Ctrl-C is for whoever started it, who then ends it.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        os.close(theirs[0])
        os.close(ours[1])
        self._answers = Connection(ours[0], writable=False)
        self._questions = Connection(theirs[1], readable=False)
        self.alive = True

    def run(self, work: Work[Any, Any], argument: Any, cancelled: Stopping) -> Any:
        """What work returns. Raises what it raises; Ended when it was cancelled, or when the process died."""
        try:
            self._questions.send((work, argument))
            while not self._answers.poll(_LOOK_SECONDS):
                if cancelled():
                    raise Ended("it was cancelled")
            failed, value = self._answers.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise Ended(f"the process died with code {self._process.returncode}") from error
        except BaseException:
            self.end()
            raise
        if failed:
            raise value
        return value

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._questions.close()


def _never() -> bool:
    return False


def serve(questions: Connection, answers: Connection) -> None:
    """Work off what comes in, until nobody is there to send more."""
    while True:
        try:
            work, argument = questions.recv()
        except EOFError:
            return
        try:
            answers.send((False, work(argument, _never)))
        except Exception as error:  # it is raised where the work was asked for
            try:
                answers.send((True, error))
            except Exception:  # and some errors cannot be sent
                answers.send((True, RuntimeError(f"{type(error).__name__}: {error}")))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1]), writable=False), Connection(int(sys.argv[2]), readable=False))
