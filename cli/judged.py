"""Prints what a log tells of other policies, and says in words where it cannot tell."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from cli.consoles import wide
from cli.histories import day

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.offpolicy import Estimate


def show(answer: dict[str, Any]) -> None:
    """Print what was logged, a table of estimates and a verdict for each target.

    Where the log cannot tell, words stand instead of numbers.
    """
    out = wide(140)
    out.print(
        f"{answer['logged']:,} slates were logged from {day(answer['cut'])} to"
        f" {day(answer['end'])}.",
        soft_wrap=True,
    )
    if answer["set_aside"]:
        out.print(
            f"{answer['set_aside']:,} of them were not, or are no longer, evenly shuffled and are"
            " set aside.",
            soft_wrap=True,
        )
    out.print(
        f"{answer['slates']:,} are judged by. Of their {answer['cards']:,} cards"
        f" {answer['left_to_chance']:,} were left to chance.",
        soft_wrap=True,
    )
    if answer["refusal"]:
        out.print(escape(answer["refusal"]), soft_wrap=True)
        return
    what = "the same cards in another order" if answer["fill"] == "order" else "boxes filled anew"
    table = Table("target", "method", title=f"Clicks a slate, {what}")
    for column in ("clicks", "gain", "effective slates", "support", "clipped"):
        table.add_column(column, justify="right")
    was, *_ = answer["targets"][0]["estimates"]
    table.add_row("as logged", "-", _interval(was.clicks), *["-"] * 4, end_section=True)
    for told in answer["targets"]:
        _, *found = told["estimates"]
        for place, estimate in enumerate(found):
            table.add_row(
                "" if place else escape(told["target"]),
                estimate.method,
                "-" if estimate.warning else _interval(estimate.clicks),
                "-" if estimate.warning else _interval(estimate.gain, "+"),
                f"{estimate.effective:,.0f}",
                f"{estimate.support.mean:.2f}",
                f"{estimate.clipped:.1%}",
                end_section=estimate is found[-1],
            )
    out.print(table)
    if any(e.clipped for told in answer["targets"] for e in told["estimates"]):
        out.print(
            "Weights were cut by --clip: estimates are biased by it, and intervals do not allow for"
            " that.",
            soft_wrap=True,
        )
    for told in answer["targets"]:
        out.print(escape(_verdict(told["target"], told["estimates"][-1])), soft_wrap=True)


def _interval(value: Any, sign: str = "") -> str:
    mean, low, high = (round(part, 4) + 0.0 for part in (value.mean, value.low, value.high))
    return f"{mean:{sign}.4f} [dim]({low:{sign}.4f} to {high:{sign}.4f})[/]"


def _verdict(name: str, estimate: "Estimate") -> str:
    """Return in words what the log tells of a policy."""
    gain = estimate.gain
    if estimate.warning:
        return f"{name}: the log cannot tell. {estimate.warning}"
    told = f"{gain.mean:+.4f} clicks a slate, {gain.low:+.4f} to {gain.high:+.4f}"
    if gain.low > 0:
        return f"{name}: more would have been clicked ({told})."
    if gain.high < 0:
        return f"{name}: less would have been clicked ({told})."
    return f"{name}: no difference is shown ({told})."
