"""Runs a job once: alone, recorded however it ends, and after what an earlier one left undone."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from data import runs
from data.leases import Lease, held
from data.runs import Run, Status
from data.store import Store
from recsys.errors import Busy, DataError, Held

Done = tuple[str, Mapping[str, Any]]
"""What was done: a sentence for people, and figures for programs."""
Work = Callable[[Lease], Done]
"""Does the job; it asks ``Lease.check`` before it publishes anything."""
TRIES = 4
"""Attempts to record an end: the store may be restarting just then."""
PAUSE = 5.0
"""Seconds between them."""
log = structlog.get_logger(__name__)


class Stopped(BaseException):
    """This process was told to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def perform(
    store: Store, job: str, work: Work, now: int, after: str | None = None
) -> tuple[Run, list[Run], BaseException | None]:
    """Run a job and return its record, those of earlier runs that were killed, and what it raised.

    Where ``after`` is given it runs only if that is the id of the last run, empty for none: of two
    that saw the same moment come, one does the work. Raises ``Busy``, and records nothing, where
    another process is at it or was first.
    """
    with held(store, runs.lease_name(job)) as lease:
        left = runs.reap(store, job)
        if after is not None and runs.last_id(store, job) != after:
            raise Busy(f"another process has run {job} meanwhile")
        for killed in left:
            log.warning("an earlier run was killed", job=job, run=killed.id, place=killed.place)
        run = runs.begin(store, job, now)
        log.info("job begins", job=job, run=run.id)
        error: BaseException | None = None
        detail: Mapping[str, Any] = {}
        status: Status = "done"
        try:
            with structlog.contextvars.bound_contextvars(job=job, run=run.id), stoppable():
                summary, detail = work(lease)
        except Held as no:
            error, status, summary, detail = no, "held", str(no), {"verdict": dict(no.verdict)}
        except Busy as no:
            # Somebody does the same by hand; or nobody else does, and the store was away.
            status = "failed" if lease.lost.is_set() else "skipped"
            error, summary = no, str(no)
        except Stopped as no:
            error, status, summary = no, "stopped", f"was told to stop ({no}); nothing has changed"
        except Exception as no:
            error, status = no, "failed"
            summary = str(no) if str(no) else type(no).__name__
        with shielded():
            run = _recorded(store, run, status, summary, detail)
    return run, left, error


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise ``Stopped`` once where SIGTERM or SIGINT arrives in the block; the rest cleans up."""

    def stop(number: int, _: object) -> None:
        for other in (signal.SIGTERM, signal.SIGINT):
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    with _handling(stop):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait for nothing in the block: it is short, and must end."""
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Any) -> Iterator[None]:
    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, old in zip(numbers, before, strict=True):
            signal.signal(number, old)


def _recorded(
    store: Store, run: Run, status: Status, summary: str, detail: Mapping[str, Any]
) -> Run:
    for turn in range(TRIES):
        try:
            ended = runs.end(store, run, int(time.time()), status, summary, detail)
            break
        except DataError:
            if turn == TRIES - 1:
                raise
            time.sleep(PAUSE)
    seconds = ended.ended - ended.started
    log.info("job ended", job=run.job, run=run.id, status=status, seconds=seconds, summary=summary)
    return ended
