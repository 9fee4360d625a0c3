"""Keeps what editors decided: every rule for ever, and who took it back."""

import dataclasses
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from data.audit import Actor, record
from data.schema import clocks
from data.schema import rules as table
from data.store import Store, advance
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.types import NEVER, Tone

CLOCK = "rule_revision"
LONGEST = {"value": 600, "author": 128, "reason": 1_000}
"""Characters that a text may have."""


class Unfit(DataError):
    """A rule that would never count or cannot be kept; its first word is the field, as ``Rule``'s.

    Whatever else is raised here is the store's failure.
    """


State = Literal["active", "planned", "ended", "undone"]


def check(store: Store, rule: Rule, sites: Collection[str], now: int) -> None:
    """Raise ``Unfit`` naming the field by which a new rule would never count.

    That is an article that the store has never had, a site that is none of ``sites`` (where there
    are any), or an end that is past.
    """
    if rule.aim == Aim.ARTICLE and not store.knows(rule.article):
        raise Unfit(f"value = {rule.value!r}: the store has no such article")
    if rule.site and sites and rule.site not in sites:
        raise Unfit(f"site = {rule.site!r}: is unknown; known: {', '.join(sites)}")
    if rule.end <= now:
        ended = datetime.fromtimestamp(rule.end, UTC)
        raise Unfit(f"end = {ended:%Y-%m-%dT%H:%M:%SZ}: has passed already")


def add(store: Store, rule: Rule, actor: Actor) -> Rule:
    """Keep a rule and return it with its id, its author and the time when it was made.

    Its author is the actor, and it was made now, where it does not say. Raises ``Unfit`` where a
    text is too long or holds control characters, ``DataError`` where the store fails.
    """
    made = dataclasses.replace(
        rule, author=rule.author or actor.name, created=rule.created or int(time.time())
    )
    for name, most in LONGEST.items():
        _require_text(name, getattr(made, name), most)
    with store.writing() as connection:
        number = advance(connection, CLOCK, 1)
        made = dataclasses.replace(made, id=str(number))
        connection.execute(insert(table).values(id=number, **_values(made)))
        record(connection, actor, "rule.add", made.id, made.created, rule=_said(made))
    return made


def undo(store: Store, id: str, actor: Actor, at: int, reason: str = "") -> bool:
    """Take a rule back at ``at`` (UTC seconds); returns whether one stood until now.

    Rules that were undone or have ended stay as they are. Raises ``Unfit`` where the reason is
    too long or holds control characters, ``DataError`` where the store fails.
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


def state(rule: Rule, now: int) -> State:
    """Return what has become of a rule at ``now`` (UTC seconds)."""
    if rule.undone:
        return "undone"
    if now >= rule.end:
        return "ended"
    return "active" if rule.begun(now) else "planned"


def plain(rule: Rule, now: int) -> dict[str, Any]:
    """Return a rule for JSON, with its state; an end that never comes is None."""
    end = None if rule.end == NEVER else rule.end
    return {"id": rule.id, "state": state(rule, now), **_values(rule), "end": end}


def revision(store: Store) -> int:
    """Return a number that grows with each change: who has seen it has seen every rule."""
    with store.reading() as connection:
        told = select(clocks.c.value).where(clocks.c.name == CLOCK)
        return int(connection.execute(told).scalar_one())


_NAMES = tuple(name for name in Rule.__slots__ if name != "id")


def _values(rule: Rule) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in _NAMES}
    return values | {name: str(values[name]) for name in ("action", "aim", "tone")}


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
        raise Unfit(f"{name} has {len(text):,} characters; expected at most {most:,}")
    if any(
        ord(letter) < 32 or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in text
    ):
        raise Unfit(f"{name} holds control characters or what is not UTF-8; expected plain text")
