"""Writes a digest as people get it: HTML, plain text, or one mail that holds both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from rich.console import Console
from rich.text import Text

from service.mix import Entry
from service.settings import Site

WIDTH = 72
"""Of plain text, in columns; a link is never broken."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one site has, in the order of the mix."""

    name: str
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Letter:
    """A digest before it is written."""

    subject: str
    name: str
    """Stands above it."""
    about: str
    site: Site
    at: datetime
    lead: Entry | None
    """Stands first, and large."""
    groups: Sequence[Group]
    """All others by site."""


def compose(entries: Sequence[Entry], site: Site, name: str, now: int, subject: str) -> Letter:
    """Return the letter of a mix, best first, that the site called ``name`` sends; empty for none.

    The best article leads that nobody has paid for. Sites follow in the order of the best that
    each has left.
    """
    lead = next((entry for entry in entries if not entry.card.sponsored), None)
    others: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry is not lead:
            others.setdefault(entry.site_name, []).append(entry)
    first = lead.card.title if lead else "Nothing new today"
    subject = subject or (f"{name}: {first}" if name else first)
    return Letter(
        subject=" ".join(subject.split()),  # a header has one line
        name=name or "For you",
        about="A mix from all our sites.",
        site=site,
        at=datetime.fromtimestamp(now, UTC),
        lead=lead,
        groups=[Group(site_name, each) for site_name, each in others.items()],
    )


def html(letter: Letter) -> str:
    """Return a document in one column, whose styles stand where mail programs look for them."""
    return _environment().get_template("digest.html").render(letter=letter)


def text(letter: Letter) -> str:
    """Return plain text, wrapped; each link has a line of its own."""
    return _environment().get_template("digest.txt").render(letter=letter).strip() + "\n"


def mail(letter: Letter) -> bytes:
    """Return a message (RFC 5322) of both, for whatever program sends it and knows to whom."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message.set_content(text(letter))
    message.add_alternative(html(letter), subtype="html")
    return message.as_bytes()


def wrapped(words: str, indent: str = "") -> str:
    """Return ``words`` in lines of at most ``WIDTH`` columns; wide characters take two."""
    lines = Text(words).wrap(Console(width=WIDTH), WIDTH - len(indent))
    return "\n".join(indent + line.plain.rstrip() for line in lines)


def moment(at: datetime) -> str:
    """Return a time for people."""
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cli"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"wrapped": wrapped, "moment": moment}
    return environment
