"""Prints what an evaluation found as tables, and who is ahead in words."""

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from cli.consoles import wide
from cli.histories import day

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from training.evaluation import Evaluation
    from training.report import tables


def show(found: "Evaluation") -> None:
    """Print what was asked, a table of each task with who is ahead, and what it cost."""
    from training.report import tables
    from training.report.verdicts import headline

    out = wide(160)
    out.print(
        f"Learned from {found.learned_events:,} events before {day(found.cut)} ({found.split}),"
        f" replayed {found.replayed_events:,} up to {day(found.end)}.",
        soft_wrap=True,
    )
    for asked in found.asked:
        if not asked.questions:
            out.print(f"\n{asked.task}: there was no question to ask.")
            continue
        out.print(_drawn(tables.main(found, asked.task, found.systems)))
        for table in tables.the_rest(found, asked.task):
            out.print(_drawn(table, details=False))
        out.print(_by_reader(found, asked.task))
        told = headline(found, asked.task)
        out.print(
            f"[bold]{escape(told.title)}.[/] {escape(' '.join(told.sentences))}", soft_wrap=True
        )
    out.print(_drawn(tables.costs(found)))


def _drawn(table: "tables.Table", *, details: bool = True) -> Table:
    """Return a table of the report as one of the terminal."""
    drawn = Table(title=escape(table.caption))
    for place, name in enumerate(table.head):
        drawn.add_column(escape(name), justify="right" if place else "left")
    for row in table.rows:
        cells = [
            escape(cell.text)
            + (f" [dim]{escape(cell.detail)}[/]" if details and cell.detail else "")
            for cell in row
        ]
        drawn.add_row(*cells, style="bold" if row[0].text == table.strong else "")
    return drawn


def _by_reader(found: "Evaluation", task: str) -> Table:
    """Return a task's main metric for readers whom the bundle knew and for others."""
    from training.report.verdicts import interval, judged_by, number

    metric = judged_by(found, task)
    table = Table(title=f"{task}: {metric} by reader")
    measures = found.select(task, metric, segment="reader") if metric else ()
    sizes = {m.part: m.questions for m in reversed(measures)}
    table.add_column("system")
    for part in ("known", "unknown"):
        table.add_column(f"{part} to the bundle ({sizes.get(part, 0):,})", justify="right")
    told = {
        (m.system, m.part): f"{number(m.mean)} [dim]{interval(m.low, m.high)}[/]" for m in measures
    }
    for system in found.systems:
        table.add_row(
            escape(system.name), *(told.get((system.name, p), "–") for p in ("known", "unknown"))
        )
    return table
