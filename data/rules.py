"""Keeps what editors decided: every rule for ever, and who took it back."""

import dataclasses
import time
from typing import Any

from sqlalchemy import Row, insert, select, update

from data.audit import Actor, record
from data.schema import clocks
from data.schema import rules as table
from data.store import Store, advance
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.types import Tone

CLOCK = "rule_revision"
LONGEST = {"value": 600, "author": 128, "reason": 1_000}
"""Characters that a text may have."""


def add(store: Store, rule: Rule, actor: Actor) -> Rule:
    """Keep a rule and return it with its id, its author and the time when it was made.

    Its author is the actor, and it was made now, where it does not say. Raises ``DataError`` where
    a text is too long or holds control characters, or the store fails.
    """
    made = dataclasses.replace(
        rule, author=rule.author or actor.name, created=rule.created or int(time.time())
    )
    for name, most in LONGEST.items():
        _require_text(name, getattr(made, name), most)
    with store.writing() as connection:
        number = advance(connection, CLOCK, 1)
        made = dataclasses.replace(made, id=str(number))
        connection.execute(insert(table).values(_row(made, number)))
        record(connection, actor, "rule.add", made.id, made.created, rule=_said(made))
    return made


def undo(store: Store, id: str, actor: Actor, at: int, reason: str = "") -> bool:
    """Take a rule back at ``at`` (UTC seconds); returns whether one stood until now.

    Rules that were undone or have ended stay as they are. Raises ``DataError`` where the reason is
    too long or holds control characters, or the store fails.
    """
    _require_text("reason", reason, LONGEST["reason"])
    number = _number(id)
    standing = update(table).where(table.c.id == number, table.c.undone == 0, table.c.end > at)
    fields = {"undone": at, "undone_by": actor.name, "undone_reason": reason}
    with store.writing() as connection:
        if not connection.execute(standing.values(fields)).rowcount:
            return False
        advance(connection, CLOCK, 1)
        row = connection.execute(select(table).where(table.c.id == number)).one()
        record(connection, actor, "rule.undo", id, at, rule=_said(_rule(row)), reason=reason)
    return True


def rules(store: Store) -> list[Rule]:
    """Return all rules, those that ended or were undone too, the newest first."""
    with store.reading() as connection:
        rows = connection.execute(select(table).order_by(table.c.id.desc())).all()
    return [_rule(row) for row in rows]


def rule(store: Store, id: str) -> Rule | None:
    """Return one rule, None where there is none."""
    with store.reading() as connection:
        row = connection.execute(select(table).where(table.c.id == _number(id))).first()
    return _rule(row) if row else None


def active(store: Store, now: int) -> tuple[Rule, ...]:
    """Return the rules that count at ``now`` (UTC seconds) or will later, the newest first."""
    standing = select(table).where(table.c.undone == 0, table.c.end > now)
    with store.reading() as connection:
        rows = connection.execute(standing.order_by(table.c.id.desc())).all()
    return tuple(_rule(row) for row in rows)


def revision(store: Store) -> int:
    """Return a number that grows with each change: who has seen it has seen every rule."""
    with store.reading() as connection:
        told = select(clocks.c.value).where(clocks.c.name == CLOCK)
        return int(connection.execute(told).scalar_one())


_NAMES = tuple(name for name in Rule.__slots__ if name != "id")


def _row(rule: Rule, number: int) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in _NAMES}
    texts = {name: str(values[name]) for name in ("action", "aim", "tone")}
    return {**values, **texts, "id": number}


def _rule(row: Row[Any]) -> Rule:
    values = {name: getattr(row, name) for name in _NAMES}
    values |= {"action": Action(row.action), "aim": Aim(row.aim), "tone": Tone(row.tone)}
    return Rule(id=str(row.id), **values)


def _said(rule: Rule) -> dict[str, Any]:
    """Return what a rule says, without what it leaves open."""
    kept = ("id", "created", "undone", "undone_by")
    return {
        field.name: value
        for field in dataclasses.fields(Rule)
        if field.name not in kept and (value := getattr(rule, field.name)) != field.default
    }


def _number(id: str) -> int:
    # More digits than the column has are no id either.
    return int(id) if id.isascii() and id.isdecimal() and len(id) <= 18 else -1


def _require_text(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise DataError(f"{name} has {len(text):,} characters; expected at most {most:,}")
    if any(
        ord(letter) < 32 or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in text
    ):
        raise DataError(
            f"{name} holds control characters or what is not UTF-8; expected plain text"
        )
