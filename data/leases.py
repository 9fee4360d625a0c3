"""Lets one process at a time do a thing, on whatever machine, for as long as it shows life.

A lease is a row with an end. Its holder moves the end on; whoever was killed does not, and after a
minute the next may have it. So nobody has to tell a dead holder from a slow one, and a slow one
must ask before it does what cannot be taken back (``Lease.check``): it may have been succeeded.
After Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism", 1989.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy import Connection, delete, extract, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from data.schema import leases
from data.store import Store
from recsys.errors import Busy, DataError

TTL = 60.0
"""Seconds that a lease lasts unless it is renewed."""
BEATS = 3
"""Renewals in the time that a lease lasts: one may fail, and the next still comes in time."""
log = structlog.get_logger(__name__)


class Lease:
    """A lease that this process holds, or has held; made by ``acquire``."""

    def __init__(self, store: Store, name: str, holder: str, ttl: float, end: float) -> None:
        self.name = name
        self.holder = holder
        self.lost = threading.Event()
        """Set once it is known that another may hold it."""
        self._store = store
        self._ttl = ttl
        self._end = end
        """On this machine's monotonic clock: it counts even where the store cannot be asked."""

    def renew(self) -> bool:
        """Let it last ``ttl`` seconds from now on; returns whether it was still held.

        Raises ``DataError`` where the store cannot be asked and it may last yet.
        """
        asked = time.monotonic()
        if self.lost.is_set() or asked >= self._end:
            self.lost.set()
            return False
        own = update(leases).where(leases.c.name == self.name, leases.c.holder == self.holder)
        try:
            with self._store.writing() as connection:
                until = _now(connection) + _ms(self._ttl)
                kept = connection.execute(own.values(until=until)).rowcount
        except DataError:
            if time.monotonic() < self._end:
                raise
            kept = 0
        if not kept:
            self.lost.set()
            return False
        self._end = asked + self._ttl
        return True

    def check(self) -> None:
        """Raise ``Busy`` unless it is held; to be asked before anything is published."""
        if not self.renew():
            raise Busy(
                f"the lease {self.name!r} was lost on the way, another process may have taken"
                " over; nothing was published"
            )

    def release(self) -> None:
        """Give it up, so that the next need not wait; nothing happens where it was lost."""
        self.lost.set()
        own = delete(leases).where(leases.c.name == self.name, leases.c.holder == self.holder)
        with self._store.writing() as connection:
            connection.execute(own)


def acquire(store: Store, name: str, ttl: float = TTL) -> Lease | None:
    """Return the lease ``name`` for ``ttl`` seconds, None where another holds it.

    Everybody who asks for one name asks for the same ``ttl``. An end that is further away than that
    was written before the clock was set back: it is brought near, lest a dead holder keep everybody
    out for hours, while a living one renews it in time. Raises ``DataError`` where the store fails.
    """
    asked = time.monotonic()
    holder = f"{_short(place())}/{secrets.token_hex(6)}"
    with store.writing() as connection:
        now = _now(connection)
        until = now + _ms(ttl)
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
        take = dialect.insert(leases).values(name=name, holder=holder, until=until)
        taken = connection.execute(
            take.on_conflict_do_update(
                index_elements=["name"],
                set_={"holder": take.excluded.holder, "until": take.excluded.until},
                where=leases.c.until <= now,
            ).returning(leases.c.holder)
        ).first()
        if taken is None:
            far = leases.c.name == name, leases.c.until > until
            connection.execute(update(leases).where(*far).values(until=until))
            return None
    return Lease(store, name, holder, ttl, asked + ttl)


@contextmanager
def held(store: Store, name: str, ttl: float = TTL, heartbeat: bool = True) -> Iterator[Lease]:
    """Hold a lease; raises ``Busy`` at once where another does.

    With ``heartbeat`` a thread renews it. Where that fails for too long ``lost`` is set, and
    nothing else happens: whoever holds it must look, or ``check``.
    """
    lease = acquire(store, name, ttl)
    if lease is None:
        by = holders(store).get(name, "another process")
        raise Busy(
            f"{by} holds the lease {name!r}; wait for it to end, or to lapse if it was killed"
        )
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(lease, ttl, done), name=name, daemon=True)
    if heartbeat:
        beating.start()
    try:
        yield lease
    finally:
        done.set()
        if heartbeat:
            beating.join()
        with suppress(DataError):  # then it lapses
            lease.release()


def holders(store: Store) -> dict[str, str]:
    """Return who holds which lease now, by its name: host, process and turn."""
    with store.reading() as connection:
        return standing(connection)


def standing(connection: Connection) -> dict[str, str]:
    """Return the same within a transaction."""
    kept = select(leases).where(leases.c.until > _now(connection))
    return {row.name: row.holder for row in connection.execute(kept)}


def bury(store: Store, name: str, pid: int) -> None:
    """Give up what a process of this machine held that has certainly ended, such as a child."""
    own = leases.c.holder.startswith(f"{_short(place(pid))}/", autoescape=True)
    with store.writing() as connection:
        connection.execute(delete(leases).where(leases.c.name == name, own))


def place(pid: int = 0) -> str:
    """Return where a process of this machine runs, this one by default: host and process."""
    return f"{socket.gethostname()}/{pid or os.getpid()}"


def _short(place: str) -> str:
    return place[-45:]


def _beat(lease: Lease, ttl: float, done: threading.Event) -> None:
    pause = ttl / BEATS
    try:
        while not done.wait(pause):
            try:
                if not lease.renew():
                    break
                pause = ttl / BEATS
            except DataError as error:
                log.warning("lease not renewed yet", lease=lease.name, reason=str(error))
                pause = ttl / BEATS / 4
    finally:
        if not done.is_set():
            lease.lost.set()
            log.error("lease lost", lease=lease.name)


def _now(connection: Connection) -> int:
    """Return UTC milliseconds by the clock that all who ask share."""
    if connection.dialect.name == "sqlite":  # a file has no clock, and no second machine
        return _ms(time.time())
    # Not now(): that is when the transaction began, before it waited for others.
    return _ms(
        float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
