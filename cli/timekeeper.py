"""Runs jobs when they are due, each in a process of its own, and sees to what becomes of them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from cli.jobs import BUSY
from cli.setup import Setup
from data import leases, notices, runs
from data.alerts import alert
from data.runs import Run, Status
from data.store import Store
from recsys.errors import DataError

LOOK = 5.0
"""Seconds at most between two looks at the clock and at what other machines have run."""
RETRY = 60.0
"""Seconds before another try where somebody else is at a job, or the store is away."""
CARE = 60.0
"""Seconds between two looks for jobs that have not succeeded for too long."""
GRACE = 10.0
"""Seconds that a job has to clean up when it is told to stop."""
NOTHING: Mapping[str, float] = {}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """The next run of a job."""

    due: float
    """UTC seconds; in the past where it was missed."""
    begins: float
    """The same and some chance, or when to try again."""
    after: str
    """Id of the last run when this was planned: where it is another by then, somebody was first."""


class Timekeeper:
    """Keeps the times of one configuration until ``stop`` is set.

    What has run is read from the store at each look, so a restart or a second machine changes
    nothing: a job is due where its next time after the beginning of its last run has come.
    """

    def __init__(self, setup: Setup, stop: threading.Event) -> None:
        self._setup = setup
        self._stop = stop
        self._store: Store | None = None
        self._turns: dict[str, Turn] = {}
        self._cared = -CARE
        self._trouble: set[str] = set()
        """What people were told of that no run records: jobs that fail before they begin."""

    def run(self) -> None:
        """Run jobs as they come due."""
        jobs = self._setup.jobs.scheduled()
        log.info("schedule begins", jobs=list(jobs), timezone=self._setup.jobs.timezone)
        while not self._stop.is_set():
            try:
                pause = self._look(time.time())
                self._recovered("store", "the schedule reaches the store again")
            except DataError as error:
                pause = LOOK
                self._warn("store", f"the schedule cannot reach the store: {error}")
            self._stop.wait(pause)

    def _look(self, now: float) -> float:
        """Run the job that has been due for longest, if any; returns seconds to the next look."""
        if self._store is None:
            self._store = Store.open(self._setup.store_url)
        last = runs.last(self._store)
        for job in self._setup.jobs.scheduled():
            turn = self._planned(job, last.get(job), now)
            if turn and turn != self._turns.get(job):
                log.info("job planned", job=job, due=_time(turn.due), begins=_time(turn.begins))
                self._turns[job] = turn
        if not self._turns:
            return LOOK
        job, turn = min(self._turns.items(), key=lambda entry: entry[1].begins)
        if turn.begins > now:
            self._care(self._store, last, now)
            return min(turn.begins - now, LOOK)
        self._do(self._store, job, turn)
        return 0

    def _planned(self, job: str, last: Run | None, now: float) -> Turn | None:
        """Return the next run of a job as far as is known now; None where it is never due."""
        jobs, known = self._setup.jobs, self._turns.get(job)
        id = last.id if last else ""
        if known and known.after == id:
            again = jobs.due(job, now)
            # It waits for what is next in any case, unless the clock was set back meanwhile.
            back = again is not None and now < known.due > again
            return self._turn(again, id) if back else known
        began = last.started if last else None
        if last and last.status == "stopped" and not known:
            began = None  # as it is when a machine is updated: that is made up for at once
        return self._turn(jobs.upcoming(job, began, now), id)

    def _turn(self, due: int | None, after: str) -> Turn | None:
        if due is None:
            return None
        return Turn(due, due + random.uniform(0, self._setup.jobs.jitter), after)  # noqa: S311

    def _do(self, store: Store, job: str, turn: Turn) -> None:
        """Run a job and see to what became of it."""
        log.info("job starts", job=job, due=_time(turn.due))
        pid, code, late = self._child(job, turn.after)
        now = time.time()
        if self._stop.is_set():
            if code == -signal.SIGKILL:
                self._bury(store, job, pid, "stopped", "it was told to stop, and did not")
            return
        if code == BUSY:
            log.info("job is done elsewhere", job=job)
            self._turns[job] = replace(turn, begins=now + RETRY)
            return
        if following := self._turn(self._setup.jobs.due(job, now), turn.after):
            self._turns[job] = following  # even where it left no record
        if late:
            timeout = self._setup.jobs.of(job).timeout
            reason = f"it took longer than {timeout:g} seconds and was ended"
            self._bury(store, job, pid, "killed", reason, {"timeout": timeout})
        elif code < 0:
            reason = f"{signal.Signals(-code).name} ended it"
            self._bury(store, job, pid, "killed", reason)
        elif runs.last_id(store, job) == turn.after:
            self._warn(job, f"{job} failed before it began, with exit code {code}; see its log")
        else:
            self._recovered(job, f"{job} runs again")

    def _child(self, job: str, after: str) -> tuple[int, int, bool]:
        """Run a job in a process of its own; returns its id, its exit code, and if it was late."""
        command = self._command(job, after)
        # A session of its own: Ctrl-C in a terminal is for the schedule, which tells the job.
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        deadline = time.monotonic() + self._setup.jobs.of(job).timeout
        while process.poll() is None:
            late = time.monotonic() >= deadline
            if late or self._stop.wait(0.1):
                _end(process)
                return process.pid, process.returncode, late
        return process.pid, process.returncode, False

    def _command(self, job: str, after: str) -> list[str]:
        config = ["--config", str(self._setup.config)] if self._setup.config else []
        # -P: no directory that happens to lie here may stand for a package.
        recsys = [sys.executable, "-P", "-c", "from cli.main import run; run()"]
        return [*recsys, "--var", str(self._setup.var), *config, "job", job, "--after", after]

    def _bury(
        self,
        store: Store,
        job: str,
        pid: int,
        status: Status,
        reason: str,
        detail: Mapping[str, float] = NOTHING,
    ) -> None:
        """Record a run whose process is dead, give its lease back, and tell people."""
        leases.bury(store, runs.lease_name(job), pid)
        run = runs.last(store).get(job)
        own = run is not None and run.place == leases.place(pid)
        if run is None or not own or run.status in ("done", "held", "failed"):
            if status == "killed":
                self._warn(job, f"{job} was killed before it began or after it ended: {reason}")
            return
        now = int(time.time())
        log.error("job killed", job=job, run=run.id, reason=reason)
        run = runs.end(store, run, now, status, reason, detail)
        self._aside(lambda: notices.tell(store, self._setup.alerts, run, now))

    def _care(self, store: Store, last: Mapping[str, Run], now: float) -> None:
        """Tell people of jobs that have not succeeded for too long."""
        if time.monotonic() < self._cared + CARE:
            return
        self._cared = time.monotonic()
        done = runs.last(store, "done")
        for job, run in last.items():
            if job not in self._turns or run.status == "running":
                continue
            since = done[job].started if job in done else runs.first(store, job)
            stale = self._setup.jobs.stale(job, since or run.started)
            if stale is not None and now >= stale:
                told = store, self._setup.alerts, run, since if job in done else 0, int(now)
                self._aside(lambda told=told: notices.tell_stale(*told))

    def _warn(self, subject: str, sentence: str) -> None:
        """Tell people what no run records; once, until it is over."""
        if subject not in self._trouble:
            self._trouble.add(subject)
            log.error("schedule in trouble", subject=subject, reason=sentence)
            self._alert("schedule.failed", subject, sentence)

    def _recovered(self, subject: str, sentence: str) -> None:
        if subject in self._trouble:
            self._trouble.remove(subject)
            log.info("schedule recovered", subject=subject)
            self._alert("schedule.well", subject, sentence, resolved=True)

    def _alert(self, event: str, subject: str, sentence: str, resolved: bool = False) -> None:
        at, alerts = int(time.time()), self._setup.alerts
        self._aside(lambda: alert(alerts, event, subject, sentence, at=at, resolved=resolved))

    def _aside(self, told: Callable[[], object]) -> None:
        # A webhook that does not answer must hold up neither the jobs nor the end.
        threading.Thread(target=told, daemon=True).start()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: politely, then not."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
