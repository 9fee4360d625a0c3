"""Reads a rule from a form, and says of each field what is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from recsys.errors import DataError
from recsys.rules import SLOTS, Action, Aim, Rule
from recsys.types import NEVER, ArticleId


@dataclass(frozen=True, slots=True)
class Kind:
    """How people are told of a kind of rule."""

    name: str
    title: str
    """Of the form."""
    does: str
    aims: tuple[Aim, ...] = (Aim.ARTICLE,)


KINDS = {
    Action.PIN: Kind(
        "Pin",
        "Pin an article to a slot",
        "Puts an article into a slot of the box, whatever the quotas say.",
    ),
    Action.BOOST: Kind(
        "Boost",
        "Boost what you choose",
        "Multiplies scores, so that it is shown more often where it fits.",
        tuple(Aim),
    ),
    Action.BURY: Kind(
        "Bury",
        "Bury what you choose",
        "Lowers scores: it is shown only where nothing better is left.",
        tuple(Aim),
    ),
    Action.BLOCK: Kind(
        "Block",
        "Block what you choose",
        "Keeps it out of every box, on one site or on all.",
        tuple(Aim),
    ),
    Action.STOP: Kind(
        "Emergency stop",
        "Stop a story everywhere",
        "Takes a story from every list of every site at once, whoever tells it.",
    ),
}
"""The kinds that are made with the form; tones have a page of their own."""
AIMS = {
    Aim.ARTICLE: "One article",
    Aim.AUTHOR: "All of an author",
    Aim.TAG: "All with a tag",
    Aim.SECTION: "All of a section",
    Aim.PATTERN: "All whose title or address fits a pattern, as *casino*",
}
FACTORS = {Action.BOOST: "1.5", Action.BURY: "0.5"}
"""What the form proposes."""
_FIELDS = ("value", "aim", "site", "slot", "factor", "start", "end", "reason", "tone")


def read(
    action: Action, form: Mapping[str, str], find_url: Callable[[str], ArticleId | None]
) -> tuple[Rule | None, dict[str, str]]:
    """Return the rule, or None and by field what is wrong with it."""
    wrong: dict[str, str] = {}

    def read_as(name: str, convert: Callable[[str], object], none: object, expected: str) -> object:
        text = form.get(name, "").strip()
        try:
            return convert(text) if text else none
        except ValueError:
            wrong[name] = f"{text[:40]!r} is not {expected}."
            return none

    aim = read_as("aim", Aim, Aim.ARTICLE, "one of the choices")
    value = form.get("value", "").strip()
    if aim == Aim.ARTICLE and value.startswith(("http://", "https://")):
        value = str(find_url(value) or value)
    values = {
        "slot": read_as("slot", int, 0, f"a number from 1 to {SLOTS}"),
        "factor": read_as("factor", float, 1.0, "a number, as 1.5"),
        "start": read_as("start", _seconds, 0, "a time, as 2026-11-25T18:00"),
        "end": read_as("end", _seconds, NEVER, "a time, as 2026-11-25T18:00"),
    }
    reason = form.get("reason", "").strip()
    if not value:
        wrong["value"] = "Say what the rule is about."
    if not reason:
        wrong["reason"] = "Say why: whoever finds the rule later will ask."
    if wrong:
        return None, wrong
    site = form.get("site", "")
    try:
        return Rule("", action, aim, value, site=site, reason=reason, **values), {}  # type: ignore[arg-type]
    except DataError as error:
        return None, fault(error)


def fault(error: DataError) -> dict[str, str]:
    """Return the field that a message begins with, and the message; raises one about no field."""
    said = str(error)
    name = said.split(" ", 1)[0]
    if name not in _FIELDS:
        raise error
    return {name: f"{said[:1].upper()}{said[1:]}."}


def _seconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
