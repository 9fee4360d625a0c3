"""Keeps who did what, and when: what is changed by hand is written down with the change itself."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from data.schema import audit
from data.store import Store, advance


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    name: str
    key: str = ""
    """Id of their key; empty where none was used."""
    request: str = ""
    """Id under which the service's log knows the request."""


PROGRAM = Actor("recsys")
"""Who acts where nobody says so: the program itself."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did."""

    seq: int
    at: int
    """UTC seconds."""
    actor: str
    key: str
    action: str
    """What was done, as ``rule.add``."""
    subject: str
    """What it was done to: the id of a rule, key or bundle."""
    detail: dict[str, Any]
    request: str


def record(
    connection: Connection, actor: Actor, action: str, subject: str, at: int, **detail: Any
) -> None:
    """Write down what is done in the same transaction: both are kept, or neither.

    ``detail`` is kept as JSON, and never holds a secret. Entries are numbered without a gap.
    """
    row = {
        "seq": advance(connection, "audit_seq", 1),
        "at": at,
        "actor": actor.name,
        "key": actor.key,
        "action": action,
        "subject": subject,
        "detail": detail,
        "request": actor.request,
    }
    connection.execute(insert(audit).values(row))


def entries(
    store: Store, most: int = 200, before: int | None = None, since: int = 0, subject: str = ""
) -> list[Entry]:
    """Return up to ``most`` entries, the newest first.

    Only those numbered below ``before``, where it is given, no older than ``since`` (UTC seconds),
    and where it is given, about ``subject``. Raises ``DataError`` where the store fails.
    """
    newest = select(audit).where(audit.c.at >= since).order_by(audit.c.seq.desc()).limit(most)
    if before is not None:
        newest = newest.where(audit.c.seq < before)
    if subject:
        newest = newest.where(audit.c.subject == subject)
    with store.reading() as connection:
        rows = connection.execute(newest).all()
    return [Entry(**row._asdict()) for row in rows]


def rollbacks(store: Store, left: str) -> list[Entry]:
    """Return when the bundle ``left`` was gone back from, the newest first.

    Raises ``DataError`` where the store fails.
    """
    gone_back = (
        select(audit).where(audit.c.action == "bundle.rollback").order_by(audit.c.seq.desc())
    )
    with store.reading() as connection:
        rows = connection.execute(gone_back).all()
    return [Entry(**row._asdict()) for row in rows if row.detail.get("left") == left]
