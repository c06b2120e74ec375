"""`tenure demo`: the whole life of a model on real data, told step by step.

Everything is done through the command line and over HTTP, as a user would do it; every number printed is computed in
this run. The data are four years of daily weather in Seattle. From 2013 on the source classified days in another way
(hardly a day was "fog" before), while the measurements themselves did not change: a monitor that looks at inputs
alone has nothing to see, one that compares predictions with the truth has.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tenure.cli.init import demo_table
from tenure.cli.story_clients import Client, Load
from tenure.core.errors import TenureError

MODEL = "weather"
SUCCESSOR = "weather-next"


def read_days() -> list[dict[str, str]]:
    """Every day of the data, oldest first."""
    text = demo_table("2012", "2013", "2014", "2015").decode()
    return sorted(csv.DictReader(io.StringIO(text)), key=iso)


def iso(day: dict[str, str]) -> str:
    """The date of a day as `2013-01-31`; the table writes it with slashes."""
    return day["date"].replace("/", "-")


def fresh_folder(start: Path, wanted: Path | None) -> Path:
    """The folder to tell the story in: the wanted one, which must be empty, or the first free `tenure-demo`."""
    if wanted is not None:
        target = start / wanted
        if target.exists() and any(target.iterdir()):
            raise TenureError(
                "The folder is not empty.",
                f"{target} holds files already.",
                "Name a new one: tenure demo DIR",
            )
        return target
    names = ("tenure-demo", *(f"tenure-demo-{number}" for number in range(2, 1000)))
    return next(start / name for name in names if not (start / name).exists())


def inputs_of(day: dict[str, str]) -> dict[str, Any]:
    """A day as a consumer sends it: the date and the measurements, not the answer."""
    return {
        "date": iso(day),
        **{name: float(day[name]) for name in ("precipitation", "temp_max", "temp_min", "wind")},
    }


class Demo:
    """One telling of the story, in one folder."""

    def __init__(
        self, folder: Path, command: Callable[[Sequence[str]], int], say: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.command = command
        self.say = say
        self.days = read_days()
        self.port = _free_port()
        self.client = Client(self.port, MODEL)
        self.started = time.monotonic()

    # ---- telling -------------------------------------------------------------------------------------------------

    def chapter(self, title: str) -> None:
        """A heading with the seconds that have passed."""
        self.say("")
        self.say(
            f"── {title} " + "─" * max(3, 88 - len(title)) + f" {time.monotonic() - self.started:5.1f} s"
        )

    def tenure(self, *arguments: str, expect: Sequence[int] = (0,)) -> int:
        """Run a command of Tenure in the project and show what it prints. Any other exit code ends the demo."""
        shown = " ".join(f'"{part}"' if " " in part else part for part in arguments)
        self.say(f"\n$ tenure {shown}")
        code = self.command(arguments)
        if code not in expect:
            raise TenureError(
                "The demo did not go as told.",
                f"`tenure {shown}` ended with exit code {code}; {' or '.join(map(str, expect))} was expected.",
                f"Look around in {self.folder}, and please report it.",
            )
        if code:
            self.say(f"(exit code {code})")
        return code

    @property
    def spec(self) -> Path:
        return self.folder / "specs" / f"{MODEL}.yaml"

    def edit(self, pattern: str, replacement: str, path: Path | None = None) -> None:
        """Edit the spec as a person would, and show the lines."""
        path = path or self.spec
        text = path.read_text(encoding="utf-8")
        edited, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        if not count:
            raise TenureError("The demo did not go as told.", f"{path} has no line like {pattern!r}.")
        path.write_text(edited, encoding="utf-8")
        old, new = set(text.splitlines()), set(edited.splitlines())
        for line in text.splitlines():
            if line not in new:
                self.say(f"   - {line}")
        for line in edited.splitlines():
            if line not in old:
                self.say(f"   + {line}")

    # ---- the story -----------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """From the first row to the tombstone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(self.folder):
            self.begin()
            self.first_release()
            with self.server():
                self.first_requests()
                breach = self.months_go_by()
                self.retraining(breach)
                self.back_and_forth(breach)
                self.cheap_edits(breach)
                self.farewell(breach)
            self.evidence()

    def begin(self) -> None:
        self.chapter("1. A project: one file is one model's whole life")
        self.say(f"\n$ cd {self.folder}")
        self.tenure("init", "--template", "demo")
        self.say("")
        self.say(self.spec.read_text(encoding="utf-8").rstrip())
        self.tenure("validate")

    def first_release(self) -> None:
        self.chapter("2. Plan, approve, apply: trained on 2012, judged, released")
        self.tenure("--now", "2013-01-01", "plan", "--out", "plan.json")
        self.tenure(
            "--now", "2013-01-01", "approve", "plan.json", "--role", "model_owner",
            "--reason", "first release, gates agreed with the forecasters",
        )  # fmt: skip
        self.tenure("--now", "2013-01-01", "apply", "plan.json")
        self.say("\nNothing is left to do, so a plan made now is empty:")
        self.tenure("--now", "2013-01-01", "plan")

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """`tenure serve` as a process of its own, stopped at the end."""
        self.chapter("3. Serve: a process that follows the recorded state")
        self.say(f"\n$ tenure serve --port {self.port} &")
        log = (self.folder / "server.log").open("w", encoding="utf-8")
        command = [sys.executable, "-m", "tenure", "serve", "--port", str(self.port)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait_until(
                lambda: self.client.request("GET", f"/v2/models/{MODEL}/ready")[0] == 200, process
            )
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
            log.close()

    def _wait_until(
        self, condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise TenureError(
                    "The server does not answer.", f"See {self.folder / 'server.log'} for what it said.", ""
                )
            time.sleep(0.05)

    def first_requests(self) -> None:
        day = next(day for day in self.days if iso(day).startswith("2013-01"))
        row = inputs_of(day)
        self.say(
            f"\n$ curl -d '{json.dumps({'rows': [row]})}' http://127.0.0.1:{self.port}/models/{MODEL}/predict"
        )
        _, _, answer = self.client.predict([row])
        self.say(json.dumps(answer, indent=2))
        broken = {**row, "wind": "strong", "snow_depth": 3}
        del broken["temp_min"]
        self.say("\nA request that does not fit the model's signature says what is wrong with each field:")
        status, _, answer = self.client.predict([broken])
        self.say(f"HTTP {status}  {answer.get('title', '')}")
        for error in answer.get("errors", []):
            self.say(f"   row {error.get('row')}, {error.get('field')}: {error.get('message')}")

    def months_go_by(self) -> date:
        """2013 arrives month by month until a breach is confirmed; returns the day after that month."""
        self.chapter("4. 2013 arrives, a month at a time, with its labels")
        for month in range(1, 13):
            start = date(2013, month, 1)
            after = (start + timedelta(days=32)).replace(day=1)
            days = [day for day in self.days if start.isoformat() <= iso(day) < after.isoformat()]
            status, _, _ = self.client.predict([inputs_of(day) for day in days])
            if status != 200:
                raise TenureError("The demo did not go as told.", f"The server answered {status}.")
            self._append(days)
            self._settle(days)
            self._quietly("--now", after.isoformat(), "labels", MODEL, "--input", self._labels(days).name)
            observed = self._json("--now", after.isoformat(), "observe", MODEL)
            self._month(start, observed)
            if self._breach(after):
                self._labels_changed(after)
                self.tenure("--now", after.isoformat(), "report", MODEL)
                return after
        raise TenureError("The demo did not go as told.", "No breach was confirmed in 2013.")

    def _append(self, days: Sequence[dict[str, str]]) -> None:
        with (self.folder / "data" / "observations.csv").open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, fieldnames=list(days[0]), lineterminator="\n").writerows(days)

    def _labels(self, days: Sequence[dict[str, str]]) -> Path:
        path = self.folder / "labels.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["date", "weather"])
            writer.writerows((iso(day), day["weather"]) for day in days)
        return path

    def _settle(self, days: Sequence[dict[str, str]]) -> None:
        """Wait until the server's background writer has put the month on disk."""
        folder = self.folder / ".tenure" / "dev" / "predictions" / MODEL
        started = time.time()
        before = getattr(self, "_segments", 0)

        def written() -> bool:
            self._segments = sum(1 for _ in folder.glob("**/*.parquet"))
            return self._segments > before

        self._wait_until(lambda: written() or time.time() - started > 20)

    def _month(self, start: date, observed: Any) -> None:
        seen = {
            item["signal"]: item
            for item in observed["observations"]
            if item["window_start"].startswith(start.isoformat())
        }
        parts = []
        for name, item in seen.items():
            value = item.get("value")
            shown = "" if value is None else f" {value:.2f}"
            parts.append(f"{name} {item['verdict']}{shown}")
        self.say(f"   {start:%b %Y}   " + "   ".join(f"{part:<26}" for part in parts).rstrip())

    def _labels_changed(self, now: date) -> None:
        """What happened, said honestly: it is not the weather that changed."""
        before = Counter(
            day["weather"]
            for day in self.days
            if "2012-01-01" <= iso(day) < now.replace(year=2012).isoformat()
        )
        since = Counter(day["weather"] for day in self.days if "2013-01-01" <= iso(day) < now.isoformat())
        counts = ", ".join(f"{name} {before[name]} -> {since[name]}" for name in sorted(before | since))
        self.say(f"\nDays by label, the same months of 2012 and 2013: {counts}.")
        self.say(
            "The source began to classify days in another way; the measurements are those of the same climate."
        )
        self.say("A monitor of inputs alone stays below its alarm; predictions against the truth raise one.")

    def _breach(self, now: date) -> bool:
        plan = self._json("--now", now.isoformat(), "plan", MODEL)
        return any(change["causes"] for model in plan["models"] for change in model["changes"])

    def retraining(self, now: date) -> None:
        self.chapter("5. A confirmed breach is a change like any other: plan, approve, apply")
        moment = f"{now}T09:00"
        plan = "retrain.json"
        self.tenure("--now", moment, "plan", "--out", plan)
        self.tenure(
            "--now",
            moment,
            "approve",
            plan,
            "--role",
            "model_owner",
            "--reason",
            "labels changed; challenger must beat it",
        )
        rows = [inputs_of(day) for day in self.days if iso(day).startswith("2013-0")]
        load = Load(self.client, rows)
        with load.running():
            self.tenure(
                "--now", moment, "apply", plan, f"server.url=http://127.0.0.1:{self.port}", expect=(3,)
            )
            self.say(
                "\nThe challenger beat the champion and now gets a tenth of the traffic. Counting 2,000 answers:"
            )
            self._count_shares()
            self.say(
                "\nAn hour later the canary has baked. The next applies take it to half, then to all of the traffic:"
            )
            for later in ("10:30", "12:00"):
                self.tenure(
                    "--now", f"{now}T{later}", "apply", "--auto-approve", MODEL, f"server.url=http://127.0.0.1:{self.port}",
                    expect=(0, 3),
                )  # fmt: skip
        total = sum(load.statuses.values())
        self.say(
            f"\nWhile the versions changed hands {total:,} requests were answered, {load.failed} failed;"
        )
        self.say(
            "by version: " + ", ".join(f"{name}: {count:,}" for name, count in sorted(load.versions.items()))
        )
        if load.failed:
            raise TenureError(
                "The demo did not go as told.", f"{load.failed} requests failed during the swap."
            )

    def _count_shares(self) -> None:
        row = inputs_of(self.days[400])
        counts: Counter[str] = Counter()
        for position in range(2000):
            _, headers, _ = self.client.predict([row], key=f"consumer-{position}")
            counts[headers.get("x-model-version", "?")] += 1
        total = sum(counts.values())
        for version, count in sorted(counts.items()):
            self.say(f"   version {version}: {count:5d} of {total} ({count / total:.1%})")

    def back_and_forth(self, now: date) -> None:
        self.chapter("6. Back to version 1, and forward again: pointers, not trainings")
        url = f"server.url=http://127.0.0.1:{self.port}"
        for minute, to, reason in (("00", "1", "practising"), ("30", "2", "practised")):
            self.tenure(
                "--now",
                f"{now}T13:{minute}",
                "rollback",
                MODEL,
                "--to",
                to,
                "--reason",
                reason,
                "--auto-approve",
                url,
            )
            self._wait_until(lambda to=to: self._served() == to)  # type: ignore[misc]
            self.say(f"   the server answers with version {self._served()}")

    def _served(self) -> str:
        return self.client.predict([inputs_of(self.days[400])])[1].get("x-model-version", "?")

    def cheap_edits(self, now: date) -> None:
        self.chapter("7. Cheap edits stay cheap: a threshold and a description retrain nothing")
        self.edit(r"min: 0\.6\b", "min: 0.55")
        self.edit(
            r"^(\s*description:).*$",
            r"\1 Tells sun from rain, fog, drizzle and snow, by the day's measurements.",
        )
        moment = f"{now}T15:00"
        self.tenure("--now", moment, "plan")
        self.tenure("--now", moment, "apply", "--auto-approve")

    def farewell(self, now: date) -> None:
        self.chapter("8. A successor, deprecation, retirement: the end of a life is a diff too")
        self._successor()
        first, second = f"{now}T16:00", f"{now + timedelta(days=31)}T09:00"
        self.tenure("--now", first, "apply", "--auto-approve", SUCCESSOR)
        self.say("\nThe spec of the old model now says:")
        self.edit(r"^state: active.*$", "state: deprecated")
        self.tenure("--now", first, "apply", "--auto-approve", MODEL)
        self._wait_until(lambda: "deprecation" in self.client.predict([inputs_of(self.days[400])])[1])
        status, headers, _ = self.client.predict([inputs_of(self.days[400])])
        self.say(f"\nHTTP {status}")
        for name in ("deprecation", "sunset", "link"):
            self.say(f"   {name}: {headers.get(name)}")
        self.say("\nA month later the spec asks for the end, but a consumer has not said that it knows:")
        self.edit(r"^state: deprecated.*$", "state: retired")
        self.tenure("--now", second, "plan", MODEL)
        self.tenure(
            "--now",
            second,
            "acknowledge",
            MODEL,
            "--consumer",
            "dashboard",
            "--reason",
            f"moved to {SUCCESSOR}",
        )
        self.tenure("--now", second, "apply", "--auto-approve", MODEL)
        self._wait_until(lambda: self.client.predict([inputs_of(self.days[400])])[0] == 410)
        status, _, answer = self.client.predict([inputs_of(self.days[400])])
        self.say(f"\nHTTP {status}")
        self.say(json.dumps(answer, indent=2))

    def _successor(self) -> None:
        text = self.spec.read_text(encoding="utf-8")
        text = text.replace(f"name: {MODEL}", f"name: {SUCCESSOR}", 1)
        text = re.sub(r"\n(governance|retirement|monitoring):(\n[ #].*|\n(?=\s))*", "", text)
        (self.folder / "specs" / f"{SUCCESSOR}.yaml").write_text(text.rstrip() + "\n", encoding="utf-8")
        self.say(f"\n   + specs/{SUCCESSOR}.yaml: the same data and search, so it takes the old one's place")

    def evidence(self) -> None:
        self.chapter("9. What remains: history, card, and an audit log that verifies")
        self.tenure("history", MODEL)
        self.tenure("audit", "verify")
        card = self.folder / "MODEL_CARD.md"
        with card.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream):
            self.command(["card", MODEL])
        seconds = time.monotonic() - self.started
        self.chapter("The end")
        self.say(f"\nTold in {seconds:.0f} seconds. Everything is still there to look around in:")
        self.say(f"   cd {self.folder}")
        # The environment of this process need not be the one of the shell it was started from.
        beside = Path(sys.executable).with_name("tenure")
        program = str(beside) if beside.is_file() else "tenure"
        self.say(f"   {program} show {MODEL}")
        self.say(f"   {card.name}: the card of the last version, written from facts")
        self.say(f"   .tenure/dev/reports/{MODEL}.html: the monitoring report of the breach, for a browser")

    # ---- commands whose output is not shown ----------------------------------------------------------------------

    def _quietly(self, *arguments: str) -> str:
        buffer = io.StringIO()
        with contextlib.redirect_stdout(buffer):
            code = self.command(arguments)
        if code not in (0, 2, 3):
            raise TenureError(
                "The demo did not go as told.",
                f"`tenure {' '.join(arguments)}` ended with {code}.",
                buffer.getvalue(),
            )
        return buffer.getvalue()

    def _json(self, *arguments: str) -> Any:
        return json.loads(self._quietly("--json", *arguments))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
