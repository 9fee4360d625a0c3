"""``recsys tone``: which articles are grave or light, by what words, and how often it is right."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.consoles import wide
from cli.setup import Setup
from recsys.errors import BundleMissing, DataError, UnknownArticle
from recsys.types import Article, ArticleId, Tone

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from data.store import Store
    from recsys.inference import Interval
    from recsys.tone import Opinion, ToneModel
    from training.tone_sample import Figures, Labelled

app = typer.Typer(
    help="Grave and light articles: who says so and why, and how often that is right.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DAY = 86_400


@app.command()
def explain(
    context: typer.Context,
    article: Annotated[str, typer.Argument(help="An article of the store, as SITE/KEY.")] = "",
    text: Annotated[
        Path | None,
        typer.Option(
            help="Judge this file instead, its first line the title; - reads what is typed.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many words to show.")] = 15,
    json: AsJson = False,
) -> None:
    """Tell the tone of an article, who says so, and the words that speak for and against.

    What the words add, with the bias, are the log odds that it is grave, or
    light. An editor's rule goes before the publisher's label, and that before
    the classifier; correct it with

    \b
      recsys rules add tone --article daily/a-7 --tone grave --reason "people died"

    \b
      recsys tone explain daily/a-7
      recsys tone explain --text draft.txt --json
    """
    from recsys.tone import lead_of

    if bool(article) == (text is not None):
        raise DataError("give either an article, as SITE/KEY, or --text FILE")
    setup: Setup = context.obj
    model, notes = _model(setup)
    said: dict[str, str] = {}
    if text is not None:
        opinion = model.explain(_read(text))
    else:
        found, said = _asked(setup, article)
        opinion = model.explain(lead_of(found))
    who = next(iter(said), "classifier")
    verdict = said.get(who, opinion.tone)
    if json:
        told = {"tone": verdict, "by": who, "said": said, "notes": notes}
        told["classifier"] = dataclasses.asdict(opinion)
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    out = Console(highlight=False)
    out.print(f"{verdict or 'unknown'}, says the {who}", style="bold", soft_wrap=True)
    _print(out, opinion, most)
    for note in notes:
        out.print(f"note: {note}", soft_wrap=True, markup=False)


@app.command("list")
def list_(
    context: typer.Context,
    grave: Annotated[bool, typer.Option("--grave", help="Judged grave, the surest first.")] = False,
    light: Annotated[bool, typer.Option("--light", help="Judged light, the surest first.")] = False,
    unsure: Annotated[
        bool, typer.Option("--unsure", help="Nearest to being judged otherwise; the default.")
    ] = False,
    days: Annotated[float, typer.Option(min=0, help="Published in so many last days.")] = 30.0,
    most: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 20,
    json: AsJson = False,
) -> None:
    """List what the classifier thinks of articles that nobody has labelled.

    An editor's time is spent best on those about which it is least sure.

    \b
      recsys tone list
      recsys tone list --grave --days 2
    """
    import numpy as np
    from scipy.special import logit

    from data.store import Store
    from recsys.tables import TONES
    from recsys.tone import JUDGED, lead_of

    if grave + light + unsure > 1:
        raise DataError("give one of --grave, --light and --unsure")
    setup: Setup = context.obj
    model, notes = _model(setup)
    now = int(time.time())
    with Store.open(setup.store_url) as store:
        ruled = _ruled(store, now)
        found = [
            one
            for one in store.scheduled(int(now - days * DAY))
            if one.tone == Tone.UNKNOWN and one.id not in ruled
        ]
    texts = [lead_of(one) for one in found]
    chances, judged = model.chances(texts), model.judge(texts)
    if grave or light:
        column = 0 if grave else 1
        told = np.flatnonzero(judged == TONES.index(JUDGED[column]))
        told = told[np.argsort(-chances[told, column], kind="stable")]
    else:
        told = np.argsort(np.abs(logit(chances) - logit(model.thresholds)).min(axis=1))
    rows = [
        {
            "article": str(found[row].id),
            "title": found[row].title,
            "tone": TONES[judged[row]],
            "grave": round(float(chances[row, 0]), 4),
            "light": round(float(chances[row, 1]), 4),
        }
        for row in told[:most].tolist()
    ]
    if json:
        answer = {"articles": rows, "judged": len(found), "notes": notes}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    out = wide(140)
    table = Table("article", "title", "judged", "grave", "light")
    table.columns[3].justify = table.columns[4].justify = "right"
    for one in rows:
        shares = (f"{one[name]:.0%}" for name in ("grave", "light"))
        names = (str(one[name]) for name in ("article", "title", "tone"))
        table.add_row(*map(Text, names), *shares)
    if rows:
        out.print(table)
    out.print(f"{len(rows)} of {len(found)} articles that nobody has labelled")
    for note in notes:
        out.print(f"note: {note}", soft_wrap=True, markup=False)


@app.command()
def evaluate(
    context: typer.Context,
    bbc: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the BBC news set (articles.parquet): use the labels that come with"
            " this program, on the part that nothing was tuned to.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Tell how many grave and light articles are found, and how many of those found are so.

    Without --bbc, the articles of the store are asked about that publishers or
    editors have labelled: each is judged by a model that does not know its own
    label. What nobody has labelled is not counted, so a publisher who labels grave
    articles only learns nothing here of those called grave in error. Brackets hold
    95 % of what the truth may be.

    \b
      recsys tone evaluate
      recsys tone evaluate --bbc ~/data/bbc --json
    """
    from training import tone_sample

    setup: Setup = context.obj
    with Console(stderr=True).status("learning and judging"):
        if bbc is not None:
            found = tone_sample.on_final(tone_sample.read_bbc(bbc))
        else:
            found = tone_sample.in_folds(_labelled(setup))
    if json:
        told = {name: [dataclasses.asdict(one) for one in row] for name, row in found.items()}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    out = wide(120)
    for place in range(2):
        out.print(_figures({name: row[place] for name, row in found.items()}))


def _model(setup: Setup) -> "tuple[ToneModel, list[str]]":
    """Return the model of the current bundle, that of the rules without one, and notes."""
    from recsys import bundle as bundles
    from recsys.tone import ToneModel

    try:
        root = setup.bundles
        return bundles.open_bundle(root / bundles.current(root)).tone, []
    except BundleMissing as error:
        return ToneModel.rules(), [f"{error}; the weak rules alone have judged"]


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--text {path} cannot be read: {error}") from error


def _asked(setup: Setup, text: str) -> tuple[Article, dict[str, str]]:
    """Return an article of the store, and what was said of its tone, by whom."""
    from data.store import Store

    try:
        id = ArticleId.parse(text)
    except ValueError as error:
        raise DataError(str(error)) from error
    with Store.open(setup.store_url) as store:
        found, ruled = store.article(id), _ruled(store, int(time.time()))
    if found is None:
        raise UnknownArticle(f"the store has no article {text!r}; see: recsys import articles")
    said: dict[str, str] = {"editor": ruled[id]} if id in ruled else {}
    if found.tone != Tone.UNKNOWN:
        said["publisher"] = found.tone
    return found, said


def _ruled(store: "Store", now: int) -> dict[ArticleId, Tone]:
    from data.rules import rules
    from training.tone import corrections

    return corrections(rules(store), now)


def _labelled(setup: Setup) -> "Labelled":
    """Return the articles of the store with what publishers and, before them, editors said."""
    from data.store import Store
    from training.tone_sample import Labelled

    now = int(time.time())
    with Store.open(setup.store_url) as store:
        articles = store.scheduled(0)
        said = {one.id: one.tone for one in articles if one.tone != Tone.UNKNOWN}
        here = {one.id for one in articles}
        said |= {id: tone for id, tone in _ruled(store, now).items() if id in here}
    if not said:
        raise DataError(
            "nobody has labelled an article of the store; publishers set `tone`, editors:"
            " recsys rules add tone --article SITE/KEY --tone grave"
        )
    return Labelled(tuple(articles), said, frozenset(), {})


def _print(out: Console, opinion: "Opinion", most: int) -> None:
    table = Table("word", "count", "grave", "light")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("(bias)", "", *(f"{value:+.2f}" for value in opinion.bias), style="dim")
    for word in opinion.words[:most]:
        table.add_row(
            Text(word.term), f"{word.count:g}", f"{word.grave:+.2f}", f"{word.light:+.2f}"
        )
    rest = opinion.words[most:]
    if rest:
        sums = (sum(word.grave for word in rest), sum(word.light for word in rest))
        table.add_row(f"({len(rest)} more)", "", *(f"{value:+.2f}" for value in sums), style="dim")
    table.add_section()
    table.add_row("chance", "", *(f"{value:.1%}" for value in opinion.chances), style="bold")
    table.add_row("called so from", "", *(f"{value:.1%}" for value in opinion.thresholds))
    out.print(table)


def _figures(found: "dict[str, Figures]") -> Table:
    first = next(iter(found.values()))
    table = Table(title=f"{first.tone} ({first.labelled} labelled so)")
    table.add_column("model")
    for name in ("judged so", "of them right", "precision", "recall", "F1"):
        table.add_column(name, justify="right")
    for name, one in found.items():
        shares = (_interval(share) for share in (one.precision, one.recall, one.f1))
        table.add_row(name, str(one.called), str(one.right), *shares)
    return table


def _interval(share: "Interval") -> str:
    return f"{share.mean:.2f} ({share.low:.2f}-{share.high:.2f})"
