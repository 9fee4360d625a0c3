"""Keeps who is at the desk: sessions that a key opened, each known only by a digest."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, select, update

from data.schema import sessions
from data.store import Store

IDLE = 8 * 3600
"""Seconds without a request after which a session ends."""
LONGEST = 24 * 3600
"""Seconds after which it ends in any case."""
STEP = 60
"""Seconds by which ``seen`` may lag: not every request has to write."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in; times in UTC seconds."""

    key: str
    """Id of the key that opened it. Whoever asks looks it up: a session is as good as its key."""
    csrf: str
    """What every form must bring back."""
    created: int
    seen: int


def begin(store: Store, key_id: str, now: int) -> tuple[str, Session]:
    """Begin a session and return it with its token, which is for the cookie and not kept."""
    token = secrets.token_urlsafe(32)
    session = Session(key_id, secrets.token_urlsafe(32), now, now)
    over = or_(sessions.c.seen <= now - IDLE, sessions.c.created <= now - LONGEST)
    row = {name: getattr(session, name) for name in Session.__slots__}
    with store.writing() as connection:
        connection.execute(delete(sessions).where(over))
        connection.execute(insert(sessions).values(digest=_digest(token), **row))
    return token, session


def find(store: Store, token: str, now: int) -> Session | None:
    """Return the session of a token, None where there is none or it is over.

    It lasts from here on as long as an idle one may.
    """
    own = sessions.c.digest == _digest(token)
    with store.reading() as connection:
        row = connection.execute(select(sessions).where(own)).first()
    if row is None or now >= min(row.seen + IDLE, row.created + LONGEST):
        return None
    if now < row.seen + STEP:
        return Session(row.key, row.csrf, row.created, row.seen)
    with store.writing() as connection:
        # Who signed out meanwhile stays out: nothing is inserted.
        connection.execute(update(sessions).where(own).values(seen=now))
    return Session(row.key, row.csrf, row.created, now)


def end(store: Store, token: str) -> None:
    """End a session; nothing happens where there is none."""
    with store.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))


def _digest(token: str) -> bytes:
    # As with keys: a slow hash protects words that people choose, and these are 256 random bits.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
