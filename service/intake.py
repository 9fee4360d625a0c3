"""Takes events for good within moments: into the store, or into a queue while that is away."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass

import structlog

from data.store import Counts, Store
from recsys.errors import RecsysError, reason_of
from recsys.types import Event
from service import metrics
from service.spool import Delivered, Depth, Spool, for_good

PAUSE = 1.0
"""Seconds after which a store that was away is tried again."""
WRITERS = 16
"""Writes that may wait for the store at once."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """Where events went."""

    new: int = 0
    """Into the store."""
    same: int = 0
    """Known already, to the store or in the queue."""
    queued: int = 0
    """Into the queue, and from there into the store when it is back."""


class Breaker:
    """Keeps all but one a second from a store that is known to be away (Nygard, 2007)."""

    def __init__(self, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._again = 0.0
        """When to try again; 0 while all is well."""
        self._late: list[Future[Counts]] = []

    def admits(self) -> bool:
        """Return whether the store should be tried now."""
        with self._lock:
            if not self._again:
                return True
            self._late = [write for write in self._late if not write.done()]
            if self._late or self._clock() < self._again:
                return False
            self._again = self._clock() + self._pause
            return True

    def close(self) -> None:
        """Take note that the store has answered."""
        with self._lock:
            self._again = 0.0

    def open(self, late: Future[Counts] | None = None) -> None:
        """Take note that the store has failed, or that it has not answered one write yet."""
        with self._lock:
            self._again = self._clock() + self._pause
            if late:
                self._late.append(late)


_Write = tuple[Sequence[Event], Future[Counts]]
"""The events of a request, and where what became of them is told."""


class Intake:
    """Takes what readers did; without a spool it waits for the store as long as that takes.

    Requests that come while one is being written are written together after it, in one transaction
    (group commit, DeWitt et al., 1984): the busier, the fewer of these. None is answered before it.
    """

    def __init__(self, store: Callable[[], Store], spool: Spool | None, patience: float) -> None:
        self._store = store
        self._spool = spool
        self._patience = patience
        self._breaker = Breaker()
        self._waiting: queue.SimpleQueue[_Write] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._writers = ThreadPoolExecutor(WRITERS, "events")
        self._stop = threading.Event()
        self._complaint = ""
        self.depth = Depth()
        """What waited when the queue was last looked at."""

    def take(self, events: Sequence[Event]) -> Taken:
        """Return where events were written to; they are on a disk when it returns.

        Raises ``RecsysError`` where neither store nor queue can take them: then none is kept.
        """
        if not events:
            return Taken()
        if self._spool is None:
            return _stored(self._store().put_events(events))
        if self._breaker.admits():
            # In a thread of its own: no setting of any database keeps a write from hanging for
            # ever. One that comes through late finds its events in the queue; they count once.
            write: Future[Counts] = Future()
            self._waiting.put((events, write))
            self._writers.submit(copy_context().run, self._write)
            try:
                return _stored(write.result(self._patience))
            except TimeoutError:
                self._breaker.open(write)
            except Exception as error:
                if not for_good(error):
                    self._breaker.open()
                self._complain(error)
        queued = self._spool.put(events)
        return Taken(same=len(events) - queued, queued=queued)

    def deliver(self) -> Delivered:
        """Hand what waits over to the store; raises ``RecsysError`` where one of them fails."""
        done = Delivered()
        if self._spool is None:
            return done
        self.depth = self._spool.depth()
        while self.depth.rows:
            batch = self._spool.drain(self._store())
            if batch == Delivered():  # another worker is at it
                break
            self._breaker.close()
            metrics.SPOOL_DELIVERED.inc(batch.rows)
            metrics.SPOOL_REJECTED.inc(batch.refused)
            done = Delivered(done.rows + batch.rows, done.refused + batch.refused)
            self.depth = self._spool.depth()
        if done.rows:
            log.info("queued events delivered", rows=done.rows, refused=done.refused)
        return done

    def held(self, visitor: str) -> list[Event]:
        """Return what waits of a visitor on this machine."""
        return self._spool.held(visitor) if self._spool else []

    def forget(self, visitor: str) -> int:
        """Delete what waits of a visitor on this machine; returns how many events that were.

        What it cannot delete, and what waits on other machines, the store will refuse: it knows
        who was erased.
        """
        try:
            return self._spool.forget(visitor) if self._spool else 0
        except RecsysError as error:
            self._complain(error)
            return 0

    def start(self) -> None:
        """Deliver from now on in a thread of its own: a slow store must hold up nothing else."""
        if self._spool is not None:
            threading.Thread(target=self._run, name="delivery", daemon=True).start()

    def stop(self) -> None:
        """End the thread at its next turn."""
        self._stop.set()

    def _write(self) -> None:
        """Write all that waits in one transaction: what came while another was under way."""
        with self._turn:
            together: list[_Write] = []
            with suppress(queue.Empty):
                while True:
                    together.append(self._waiting.get_nowait())
            if together:
                self._write_together(together)

    def _write_together(self, writes: Sequence[_Write]) -> None:
        try:
            counts = self._store().put_together([events for events, _ in writes])
        except Exception as error:
            if len(writes) > 1 and for_good(error):
                # One of them holds what the store will never take: each by itself.
                for one in writes:
                    self._write_together([one])
            else:
                for _, told in writes:
                    told.set_exception(error)
            return
        self._breaker.close()
        for (_, told), count in zip(writes, counts, strict=True):
            told.set_result(count)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                self.deliver()
                self._complaint = ""
            except Exception as error:
                self._complain(error)
            metrics.SPOOL_ROWS.set(self.depth.rows)
            metrics.SPOOL_BYTES.set(self.depth.bytes)

    def _complain(self, error: Exception) -> None:
        reason = reason_of(error)
        if reason != self._complaint:  # a lasting failure is one line, not one a second
            self._complaint = reason
            log.error("events wait", reason=reason)


def _stored(counts: Counts) -> Taken:
    return Taken(new=counts.new, same=counts.same)
