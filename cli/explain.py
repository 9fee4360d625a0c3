"""``recsys explain``: why the box holds what it holds, and why it does not hold the rest."""

import secrets
import time
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import asking
from cli.engines import open_engine
from cli.setup import Setup, parse_time

if TYPE_CHECKING:
    from recsys.trace import Trace

SHOWN = 20
"""Rows of each table; --json gives all."""


def explain(
    context: typer.Context,
    article: asking.Article = "",
    visitor: asking.Visitor = "",
    site: asking.Site = "",
    history: asking.History = "",
    n: asking.Number = 6,
    placement: asking.Placement = "",
    now: asking.Now = "",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Repeats what chance decided; told with each answer."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what decided an answer: every source, filter, quota and rule.

    The first table holds the candidates that passed all filters, with what each
    source adds to the probability of being opened next. The others tell what
    filters and editors took out, and which better candidate a quota kept from a
    slot. `GET /v1/recommendations?explain=1` tells the same of a running service.

    \b
      recsys explain --article daily/a-1
      recsys explain --site guide --placement home --seed 7 --json
    """
    from recsys.trace import plain

    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())
    engine, notes = open_engine(setup, moment)
    chance = secrets.randbits(53) if seed is None else seed
    query = asking.query(
        setup,
        engine,
        moment,
        article=article,
        visitor=visitor,
        site=site,
        history=history,
        n=n,
        placement=placement,
        seed=chance,
    )
    trace = engine.explain(query)
    if json:
        told = {"seed": chance, "notes": notes, **plain(trace)}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    out = Console(highlight=False)
    for table in (_candidates(trace), _removed(trace), _moved(trace)):
        if table.row_count:
            out.print(table)
    tone = f", tone of the page: {trace.tone}" if trace.tone else ""
    facts = f"bundle {trace.slate.bundle_id}, policy {trace.slate.policy_id}, seed {chance}"
    out.print(f"placement {trace.placement}{tone}, {facts}", soft_wrap=True, markup=False)
    for note in (*notes, *trace.slate.notes):
        out.print(f"note: {note}", soft_wrap=True, markup=False)


def _candidates(trace: "Trace") -> Table:
    sources = list(dict.fromkeys(name for one in trace.candidates for name in one.parts))
    table = Table("slot", "article", "title", *sources, "fused", "ranked", "editors", "score")
    table.title = f"Candidates (the best {SHOWN} of {len(trace.candidates)}, and what is shown)"
    for column in (table.columns[0], *table.columns[3:]):
        column.justify = "right"
    slots = {item.article: item for item in trace.slate.items}
    for rank, one in enumerate(trace.candidates):
        if rank >= SHOWN and not one.slot:
            continue
        table.add_row(
            str(one.slot or ""),
            Text(str(one.article)),
            Text(one.title),
            *(f"{one.parts[name]:.4f}" if name in one.parts else "" for name in sources),
            f"{one.fused:.4f}",
            f"{one.ranked:.4f}",
            " ".join([*([f"×{one.factor:g}"] if one.factor != 1 else []), *one.rules]),
            f"{one.score:.4f}",
        )
        slots.pop(one.article, None)
    for item in slots.values():
        empty = [""] * (len(sources) + 3)
        place = trace.slate.items.index(item) + 1
        table.add_row(str(place), Text(str(item.article)), Text(item.reason), *empty, "")
    return table


def _removed(trace: "Trace") -> Table:
    table = Table("article", "title", "proposed by", "taken out by")
    table.title = f"Taken out (the first {SHOWN} of {len(trace.removed)})"
    for one in trace.removed[:SHOWN]:
        why = f"{one.filter} (rule {one.rule})" if one.rule else one.filter
        table.add_row(Text(str(one.article)), Text(one.title), ", ".join(one.sources), why)
    return table


def _moved(trace: "Trace") -> Table:
    table = Table("slot", "would have been", "title", "kept out by")
    table.title = "Better candidates that did not get the slot"
    for one in trace.moved:
        table.add_row(str(one.slot), Text(str(one.article)), Text(one.title), one.quota)
    return table
