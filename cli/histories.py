"""Opens the history that a command replays: that of the store, or the clicks of Globo.com."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cli.setup import Setup
from recsys.errors import DataError
from recsys.types import Article

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.history import History

WEEK = 7 * 86_400
GLOBO_DAYS = 2 * 86_400

Opened = tuple["History", int, int]
"""The history, the cut and the end, UTC seconds."""


def open_history(setup: Setup, globo: Path | None, cut: int | None, end: int) -> Opened:
    """Return what is replayed of the store, or of Globo's clicks in the directory ``globo``.

    It ends at the last event before ``end``. Where ``cut`` is None it is a week before that, two
    days with Globo. Raises ``DataError`` where there is nothing to replay.
    """
    return _globo(globo, cut, end) if globo else _store(setup, cut, end)


def day(at: int) -> str:
    """Return the time ``at``, UTC seconds, for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _store(setup: Setup, cut: int | None, end: int) -> Opened:
    from data.store import Store
    from recsys.history import History

    with Store.open(setup.store_url) as store:
        known = store.snapshot(end)
        if not len(known.interactions):
            raise DataError(
                f"the store {setup.store_url} holds no event before {day(end)} to replay; import"
                " some with: recsys import events FILE"
            )
        end = min(end, int(known.interactions.at[-1]) + 1)
        cut = end - WEEK if cut is None else cut
    return History(known.articles, known.visitors, known.interactions), cut, end


def _globo(directory: Path, cut: int | None, end: int) -> Opened:
    from data.importers.globo import load_globo
    from recsys.history import History

    known = load_globo(directory, end)
    if not len(known.interactions):
        raise DataError(f"{directory} holds no click before {day(end)} to replay; see --end")
    end = min(end, int(known.interactions.at[-1]) + 1)
    cut = end - GLOBO_DAYS if cut is None else cut
    # Titles made up from numbers say nothing of what an article tells.
    articles = [_untitled(article) for article in known.articles]
    history = History(articles, known.visitors, known.interactions, known.contexts, known.context)
    return history, cut, end


def _untitled(article: Article) -> Article:
    return dataclasses.replace(article, title="")
