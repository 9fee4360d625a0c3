"""``recsys simulate``: an audience for the demo, to watch the service learn."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.setup import Setup
from recsys.errors import DataError
from recsys.types import ArticleId

if TYPE_CHECKING:
    from data.sample.browsing import Browsers

app = typer.Typer(help="Simulated readers for a running demo.", no_args_is_help=True)
NEW = 6 * 3600
"""Seconds: the story is one that came out so lately, and that hardly anybody has read."""


@app.callback()
def group() -> None:
    """Simulated readers for a running demo."""


@app.command(epilog="Example: recsys simulate traffic --rate 20, while `make demo` runs elsewhere")
def traffic(
    context: typer.Context,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="Visits a second.")] = 5.0,
    url: Annotated[str, typer.Option(help="The demo service.")] = "http://127.0.0.1:8000",
    seconds: Annotated[
        float, typer.Option(min=0, help="How long; until Ctrl-C by default.", show_default=False)
    ] = 0.0,
    story: Annotated[
        str,
        typer.Option(
            help="Article (site/key) that breaks as news; a recent one by default.",
            show_default=False,
        ),
    ] = "",
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of visits that begin with the story.")
    ] = 0.3,
    network: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the sample network; that of the newest demo by default.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other visits.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Let simulated readers use a running demo over HTTP, as browsers do.

    Readers arrive at random, open articles to their taste, look at the box
    with the true position bias, and click what they like. News breaks with
    one article: a share of all visits begins with it, and it rises in
    "Trending on the network" on the demo's front page, and here.
    """
    # the arrays take a second to load, and other commands should not wait for them
    from data.sample.audience import load
    from data.sample.browsing import Browsers, Story

    setup: Setup = context.obj
    audience = load(network or _newest(setup.var / "demo"))
    breaking = ArticleId.parse(story) if "/" in story else _recent(audience, story)
    if audience.row(breaking) < 0:
        raise DataError(f"--story {str(breaking)!r} is no article of the sample network")
    browsers = Browsers(url, audience, Story(breaking, share), seed)
    _refuse_absent(browsers, url)
    stop = threading.Event()
    began = time.monotonic()
    crowd = threading.Thread(target=browsers.run, args=(rate, stop.is_set))
    crowd.start()
    watched = _Watched(browsers)
    try:
        _watch(watched, lambda: bool(seconds) and time.monotonic() - began >= seconds, json)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        crowd.join()
        browsers.close()
    _summarise(watched, time.monotonic() - began, json)


class _Watched:
    """What trends, seen again each second, beside the story."""

    def __init__(self, browsers: "Browsers") -> None:
        self.browsers = browsers
        self.items: list[dict[str, Any]] = []
        self.story_shown = 0.0
        """When the story was first seen among the ten that trend; 0 before."""

    def look(self) -> None:
        import httpx

        try:
            self.items = self.browsers.trending()
        except httpx.HTTPError:
            self.browsers.tally.add("errors")
            return
        if self.rank and not self.story_shown and self.browsers.tally.story_opened:
            self.story_shown = time.monotonic()

    @property
    def rank(self) -> int:
        """The story's place among what trends, from 1; 0 where it is not there."""
        ids = [ArticleId(item["site"], item["key"]) for item in self.items]
        story = self.browsers.story.article
        return ids.index(story) + 1 if story in ids else 0


def _watch(watched: _Watched, over: Callable[[], bool], quiet: bool) -> None:
    console = Console(stderr=True, quiet=quiet)
    with Live(console=console, refresh_per_second=2, transient=False) as screen:
        while not over():
            watched.look()
            screen.update(_picture(watched))
            time.sleep(0.5)


def _picture(watched: _Watched) -> Group:
    counts = watched.browsers.tally.counts
    names = "visits", "views", "impressions", "clicks", "refused", "errors"
    line = Text("   ".join(f"{name} {counts[name]:,}" for name in names))
    table = Table("", "trending now", "site", "readers", "rising", box=None)
    story = watched.browsers.story.article
    for place, item in enumerate(watched.items, start=1):
        mine = ArticleId(item["site"], item["key"]) == story
        table.add_row(
            "▶" if mine else str(place),
            Text(item["title"][:60], style="bold" if mine else ""),
            Text(item["site_name"]),
            f"{item['voices']:.1f}",
            f"{item['rising']:.1f}×",
        )
    return Group(line, Text(f"breaking: {story}"), table)


def _summarise(watched: _Watched, spent: float, json: bool) -> None:
    tally = watched.browsers.tally
    waited = watched.story_shown - tally.story_opened if watched.story_shown else None
    if json:
        facts = {"seconds": round(spent, 1), **tally.counts}
        facts |= {"story": str(watched.browsers.story.article), "rank": watched.rank}
        typer.echo(orjson.dumps(facts | {"story_waited": waited}).decode())
        return
    say = Console(highlight=False, soft_wrap=True).print
    counts = tally.counts
    say(
        f"{counts['visits']:,} visits in {spent:.0f} s: {counts['views']:,} pages read,"
        f" {counts['impressions']:,} cards seen, {counts['clicks']:,} clicked;"
        f" {counts['refused']:,} events refused, {counts['errors']:,} requests failed."
    )
    if waited is not None:
        say(f"The story was among the ten that trend {waited:.1f} s after it was first opened.")


def _newest(demos: Path) -> Path:
    found = sorted(demos.glob("*/network/truth"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DataError(f"there is no demo in {demos}; start one with: make demo, or see --network")
    return found[-1].parent


def _recent(audience: Any, story: str) -> ArticleId:
    if story:
        raise DataError(f"--story {story!r} is not of the form site/key")
    now = int(time.time())
    recent = [row for row, at in enumerate(audience.published.tolist()) if now - NEW < at <= now]
    row = max(recent, default=int(audience.published.argmax()))
    found: ArticleId = audience.articles[row]
    return found


def _refuse_absent(browsers: "Browsers", url: str) -> None:
    import httpx

    try:
        browsers.trending()
    except (httpx.HTTPError, ValueError) as error:
        raise DataError(
            f"there is no service at {url}: {error}; start one with: make demo, or see --url"
        ) from error
