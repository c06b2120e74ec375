"""Work for executors: functions of a module, so that other processes find them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tenure.core.errors import StageError
from tenure.executors.executor import folder_of

Stopping = Callable[[], bool]


def doubled(number: int, stopping: Stopping) -> int:
    return 2 * number


def refuses(reason: str, stopping: Stopping) -> None:
    raise StageError("refused", reason, "do otherwise")


def reads(argument: tuple[str, str], stopping: Stopping) -> tuple[str, str]:
    """The content of a shared file, and the folder it was found in."""
    reference, name = argument
    folder = folder_of(reference)
    return (folder / name).read_text(), str(folder)


def waits(marks: str, stopping: Stopping) -> str:
    """Until it is asked to stop: leaves a mark when it starts and when it ends."""
    Path(marks, "started").touch()
    for _ in range(3000):
        if stopping():
            Path(marks, "stopped").touch()
            return "stopped"
        time.sleep(0.01)
    return "never asked"


def waits_for(file: str, stopping: Stopping) -> str:
    """Until a file is there; leaves a mark when it starts."""
    Path(f"{file}.started").touch()
    for _ in range(3000):
        if Path(file).exists():
            return "gone"
        time.sleep(0.01)
    return "never came"


def dies_once(mark: str, stopping: Stopping) -> str:
    """The first worker that gets it is gone."""
    try:
        with Path(mark).open("x"):
            pass
    except FileExistsError:
        return "done by another"
    os._exit(7)


def dies(_: None, stopping: Stopping) -> None:
    os._exit(7)


# ---- run on every worker, as `client.run` does ---------------------------------------------------------------------

_plain_fit = []


def note_fits(log: str, seconds: float) -> None:
    """From here on, fits of preprocessors leave a line with who they are and take so many seconds longer."""
    from tenure.ml.preprocessor import Unfitted

    real = Unfitted.fit_transform
    _plain_fit.append(real)

    def noted(self, *rest):
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()} {self.form}\n")
        time.sleep(seconds)
        return real(self, *rest)

    Unfitted.fit_transform = noted


def plain_fits() -> None:
    """Undo `note_fits`."""
    from tenure.ml.preprocessor import Unfitted

    while _plain_fit:
        Unfitted.fit_transform = _plain_fit.pop()


def local_folders(dask_worker) -> list[str]:
    """What a worker has in its own folder."""
    return sorted(path.name for path in Path(dask_worker.local_directory).iterdir())


def sees_nothing(file: str, content: str) -> bool:
    """A worker of another machine."""
    return False
