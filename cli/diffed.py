"""Prints a policy as it holds, and what another one would change."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.consoles import wide
from cli.histories import day
from recsys.config import flat
from recsys.policy import Policy

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.inference import Interval
    from training.policies import Comparison, Figure, Share, Shown

SHARES = 6
"""Sites, sections, sources and languages that are shown of each."""


def effective(policy: Policy) -> Table:
    """Return every setting of a policy, in bold where it is not the default, by placement."""
    default, base = flat(Policy(), "placements"), flat(policy, "placements")
    others = {name: flat(other, "placements") for name, other in policy.placements.items()}
    table = Table("setting", r"\[policy]", *map(escape, others), title="The policy as it holds")
    for path in dict.fromkeys((*base, *(path for other in others.values() for path in other))):
        value, usual = base.get(path), default.get(path)
        cells = [_value(value), *(_changed(value, other.get(path)) for other in others.values())]
        table.add_row(escape(path), *cells, style="" if value == usual else "bold")
    return table


def show(answer: dict[str, Any], found: "Comparison") -> None:
    """Print the settings that differ, and what that changes."""
    out = wide(120)
    settings = Table("setting", "before", "after", title="What differs")
    for path, values in answer["settings"].items():
        settings.add_row(escape(path), _value(values["before"]), _value(values["after"]))
    out.print(f"{answer['before']} → {answer['after']}", soft_wrap=True, markup=False)
    if answer["settings"]:
        out.print(settings)
    else:
        out.print("No setting of the policy differs.")
    out.print(
        f"{found.pages:,} of {found.of:,} pages of {answer['day']}, a box of {found.n} at"
        f" {answer['placement']}; learned from what was before {day(answer['learned_until'])}.",
        soft_wrap=True,
    )
    for note in answer["notes"]:
        out.print(f"note: {note}", soft_wrap=True, markup=False)
    out.print(
        f"{_share(found.changed)} of slates change; {_number(found.replaced)} of {found.n} cards"
        f" are others; rank-biased overlap {_number(found.overlap)}.",
        soft_wrap=True,
    )
    out.print(_figures(found))
    out.print(_shares(found))
    if found.relaxed:
        table = Table("quota that gave way", "pages before", "pages after")
        for relaxed in found.relaxed:
            table.add_row(relaxed.quota, f"{relaxed.before:,}", f"{relaxed.after:,}")
        out.print(table)
    for title, shown in (("Shown more", found.gained), ("Shown less", found.lost)):
        if shown:
            out.print(_shown(title, shown))
    for example in found.examples:
        table = Table("before", "after", title=f"{escape(example.title)} ({day(example.at)})")
        slots = max(len(example.before), len(example.after))
        sides = (
            [*(escape(title) for title in titles), *[""] * (slots - len(titles))]
            for titles in (example.before, example.after)
        )
        for old, new in zip(*sides, strict=True):
            table.add_row(old, new, style="" if old == new else "bold")
        out.print(table)
    _honest(out, found)


def _figures(found: "Comparison") -> Table:
    table = Table("", "before", "after", "difference", title="Of all cards, or of all pages")
    for figure in found.figures:
        named = {"opened next": f"opened next is shown ({found.followed:,} pages)"}
        table.add_row(
            named.get(figure.name, figure.name),
            f"{figure.before:.1%}",
            f"{figure.after:.1%}",
            _points(figure),
        )
    old, new = (f"{seconds / 3600:,.1f} h" for seconds in found.age)
    table.add_row("age, median", old, new, "")
    return table


def _shares(found: "Comparison") -> Table:
    table = Table("share of cards", "", "before", "after", "difference")
    for what in dict.fromkeys(share.what for share in found.shares):
        some: list[Share] = [share for share in found.shares if share.what == what]
        for place, share in enumerate(some[:SHARES]):
            table.add_row(
                "" if place else what,
                escape(share.name or "(none)"),
                f"{share.before:.1%}",
                f"{share.after:.1%}",
                f"{100 * (share.after - share.before) + 0.0:+.1f}",
                end_section=share is some[:SHARES][-1],
            )
    return table


def _shown(title: str, shown: "tuple[Shown, ...]") -> Table:
    table = Table("site", "title", "before", "after", title=title)
    for one in shown:
        site, title = one.article.partition("/")[0], one.title
        table.add_row(escape(site), escape(title), f"{one.before:,}", f"{one.after:,}")
    return table


def _honest(out: Console, found: "Comparison") -> None:
    """Say what a hit rate can tell here, and what it cannot."""
    figure = next(figure for figure in found.figures if figure.name == "opened next")
    if not found.followed:
        out.print("Nothing was opened after any of these pages: no hit rate can be told.")
        return
    low, high = figure.difference.low, figure.difference.high
    verdict = "no difference is shown"
    if low > 0 or high < 0:
        verdict = "it is in the slate more often" if low > 0 else "it is in the slate less often"
    out.print(
        f"What readers opened next: {verdict}. They chose it without seeing either slate, and some"
        " of it because another box showed it: it tells which slate is nearer to what they did, not"
        " which would be clicked more. For that see recsys judge and recsys experiment.",
        soft_wrap=True,
    )


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return escape(str(list(value) if isinstance(value, tuple) else value))


def _changed(base: Any, value: Any) -> str:
    return "" if value == base else f"[bold]{_value(value)}[/]"


def _points(figure: "Figure") -> str:
    mean, low, high = (100 * x + 0.0 for x in _bounds(figure.difference))
    return f"{mean:+.1f} [dim]({low:+.1f} to {high:+.1f})[/]"


def _share(value: "Interval") -> str:
    mean, low, high = _bounds(value)
    return f"{mean:.1%} [dim]({low:.1%}-{high:.1%})[/]"


def _number(value: "Interval") -> str:
    mean, low, high = _bounds(value)
    return f"{mean:.2f} [dim]({low:.2f}-{high:.2f})[/]"


def _bounds(value: "Interval") -> tuple[float, float, float]:
    return value.mean, value.low, value.high
