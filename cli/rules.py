"""``recsys rules``: what editors decide by hand, live within two seconds."""

import time
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import times
from cli.audit import actor
from cli.setup import Setup
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.types import NEVER, Tone

app = typer.Typer(
    help="Rules by editors: pin, boost, bury, block, stop, say a tone; each can be undone.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the history.")]
SOON = "A running service follows within two seconds."


@app.command()
def add(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(help="What the rule does.")],
    reason: Reason,
    article: Annotated[str, typer.Option(help="The article, as SITE/KEY.")] = "",
    author: Annotated[str, typer.Option(help="All articles of an author.")] = "",
    tag: Annotated[str, typer.Option(help="All articles with a tag.")] = "",
    section: Annotated[str, typer.Option(help="All articles of a section.")] = "",
    pattern: Annotated[
        str, typer.Option(help="All whose title or address is like this, as '*casino*'.")
    ] = "",
    site: Annotated[str, typer.Option(help="On pages of this site; on all by default.")] = "",
    slot: Annotated[int, typer.Option(help="Of a pin: where to, from 1.")] = 0,
    factor: Annotated[
        float, typer.Option(help="Of a boost (above 1, up to 10) or a bury (0 to below 1).")
    ] = 1.0,
    tone: Annotated[Tone, typer.Option(help="Of a tone.")] = Tone.UNKNOWN,
    start: Annotated[str, typer.Option(help="From when: ISO 8601, or +2h, +3d; now.")] = "",
    end: Annotated[str, typer.Option(help="Until when, likewise; for ever.")] = "",
    json: AsJson = False,
) -> None:
    """Make a rule.

    \b
      pin     puts an article into a slot, whatever the quotas say
      boost   multiplies scores by a factor above 1
      bury    multiplies scores by a factor below 1
      block   shows it nowhere
      stop    takes a story off every site, whoever tells it
      tone    says what tone an article has

    \b
    Examples:
      recsys rules add pin --article daily/2026-1 --slot 1 --site guide \\
        --end +6h --reason "election night"
      recsys rules add block --pattern '*casino*' --reason "no gambling"
      recsys rules add boost --section Culture --factor 1.5 --reason "festival week"
      recsys rules add tone --article daily/2026-7 --tone grave --reason "people died"
    """
    from data import rules
    from data.store import Store

    aims = (article, author, tag, section, pattern)
    given = [(aim, value) for aim, value in zip(Aim, aims, strict=True) if value]
    if len(given) != 1:
        options = ", ".join(f"--{aim}" for aim in Aim)
        raise DataError(f"a rule is about one thing: give one of {options}, not {len(given)}")
    ((aim, value),) = given
    setup: Setup = context.obj
    now = int(time.time())
    begin = times.moment(start, "--start", now) if start else 0
    until = times.moment(end, "--end", now) if end else NEVER
    _require_reason(reason)
    rule = Rule(
        "", action, aim, value, site, slot, factor, tone, begin, until, reason=reason, created=now
    )
    with Store.open(setup.store_url) as store:
        rules.check(store, rule, tuple(setup.sites), now)
        made = rules.add(store, rule, actor())
    if json:
        typer.echo(orjson.dumps(rules.plain(made, now)).decode())
        return
    typer.echo(f"rule {made.id}: {_told(made)}. {SOON}")


@app.command(epilog='Example: recsys rules stop daily/2026-1 --reason "retracted by its author"')
def stop(
    context: typer.Context,
    article: Annotated[str, typer.Argument(help="The article, as SITE/KEY.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Emergency: take a story off every site, whoever tells it, until this is undone."""
    add(context, Action.STOP, reason, article=article, json=json)


@app.command("list")
def list_(
    context: typer.Context,
    standing: Annotated[
        bool, typer.Option("--standing", help="Only those that count now or will later.")
    ] = False,
    json: AsJson = False,
) -> None:
    """List all rules, the newest first: active, planned, ended, undone."""
    from data import rules
    from data.store import Store

    now = int(time.time())
    with Store.open(context.obj.store_url) as store:
        found = rules.active(store, now) if standing else rules.rules(store)
    if json:
        typer.echo(orjson.dumps([rules.plain(rule, now) for rule in found]).decode())
        return
    table = Table("id", "state", "rule", "from (UTC)", "until (UTC)", "author", "reason")
    for rule in found:
        state = rules.state(rule, now)
        by = f" by {rule.undone_by}, {times.shown(rule.undone)}" if rule.undone else ""
        table.add_row(
            rule.id,
            Text(state + by),
            Text(_told(rule)),
            times.shown(rule.start or rule.created),
            "" if rule.end == NEVER else times.shown(rule.end),
            Text(rule.author),
            Text(rule.reason),
        )
    Console(highlight=False).print(table if found else "There is no rule yet: recsys rules add")


@app.command(epilog='Example: recsys rules undo 12 --reason "the match is over"')
def undo(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As `recsys rules list` says.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Take a rule back; it stays in the history."""
    from data import rules
    from data.store import Store

    now = int(time.time())
    _require_reason(reason)
    with Store.open(context.obj.store_url) as store:
        undone = rules.undo(store, id, actor(), now, reason)
        rule = rules.rule(store, id)
    if rule is None:
        raise DataError(f"there is no rule {id!r}; see recsys rules list")
    if not undone:
        raise DataError(f"rule {id} counts no more: it is {rules.state(rule, now)} already")
    if json:
        typer.echo(orjson.dumps(rules.plain(rule, now)).decode())
        return
    typer.echo(f"rule {id} is undone: {_told(rule)}. {SOON}")


def _told(rule: Rule) -> str:
    """Return a rule in words, but for its times."""
    how = {
        Action.PIN: f" to slot {rule.slot}",
        Action.BOOST: f" by {rule.factor:g}",
        Action.BURY: f" by {rule.factor:g}",
        Action.TONE: f" is {rule.tone}",
    }
    where = f"on {rule.site}" if rule.site else "on every site"
    return f"{rule.action} {rule.aim} {rule.value!r}{how.get(rule.action, '')}, {where}"


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise DataError("--reason is empty; expected why, for those who read the history")
