"""What changed since the bundle was made: the part of the engine that moves within seconds."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from recsys import stories, trending
from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.bundle import Bundle
from recsys.compiled import dot, kernel, order
from recsys.coread import REACH
from recsys.embed import text_of
from recsys.factors import cold_factors
from recsys.growing import Growing
from recsys.readers import Readers
from recsys.rules import Rule
from recsys.rulings import Matcher, Rulings
from recsys.segments import Segments
from recsys.stories import Signatures, Tellings
from recsys.tables import CATALOGUE_COLUMNS, Catalogue
from recsys.tone import lead_of
from recsys.trending import LANDING, TrendBoard
from recsys.trials import PRIOR, Trials, click_rate, trials
from recsys.types import Article, ArticleId, Card, Event, Kind
from recsys.view import Standing, View
from recsys.visits import GAP


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Bounds on what is kept in memory and how the trend board is ranked."""

    per_site: int = 300
    """Articles of each site on the trend board."""
    site_exponent: float = 0.5
    """0 ranks trends by volume, 1 by the share of the own site's readers."""
    pool: int = 4000
    """Articles that the personal source compares with a reader: trending ones, then the newest."""
    readers: int = 100_000
    """Readers whose recent articles are kept; the least recent goes first."""
    remembered: int = 200
    """Articles kept for each of them."""
    trial_age: int = 2 * 86_400
    """Seconds after publication in which an article may be on trial."""
    trial_shown: float = 200.0
    """Decayed impressions from which on its click rate is known well enough."""


SWEPT = 2
"""Circumstances that are cleared of what has faded at each refresh: all of them in minutes."""
SLEWED = 60
"""Seconds by which a clock may go back without anybody caring."""
CACHED = 20_000
"""Cards, addresses and rows of articles that stay decoded."""


class Live:
    """Follows articles and events after a bundle; one thread writes, any number read.

    Counts (co-reading, readers' articles) advance row by row, each row replaced whole; everything
    else is in ``view``, which is replaced by one assignment.
    """

    def __init__(self, bundle: Bundle, settings: LiveSettings | None = None) -> None:
        self.bundle = bundle
        self.settings = settings or LiveSettings()
        self.trends = bundle.trends.copy()
        self.trends.grow(len(bundle.catalogue))
        self._columns = {n: Growing(getattr(bundle.catalogue, n)) for n in CATALOGUE_COLUMNS}
        self.coread = bundle.coread.copy()
        self.segments = Segments()
        self._rows: dict[ArticleId, int] = {}
        self._bundled_card = lru_cache(CACHED)(bundle.card)
        self._bundled_url = lru_cache(CACHED)(bundle.find_url)
        self._standing = Standing.nobody()
        self._readers = Readers(self.settings.readers)
        self._forgotten: set[int] = set()
        self._rules: tuple[Rule, ...] = ()
        self._active: tuple[Rule, ...] = ()
        self._matcher = Matcher(bundle.cards)
        none = np.empty(0, np.int32)
        width = bundle.factors.articles.shape[1]
        self._judged = Growing(bundle.judged)
        self._withdrawn = Growing(np.zeros(len(bundle.catalogue), np.bool_))
        self._vectors = Growing(bundle.vectors[:0])
        self._factors = Growing(np.empty((0, width), np.float32))
        self._signatures = Growing(bundle.signatures[:0])
        self.view = View(
            catalogue=bundle.catalogue,
            withdrawn=self._withdrawn.now,
            cards={},
            urls={},
            vectors=self._vectors.now,
            factors=self._factors.now,
            signatures=self._signatures.now,
            related=(),
            board=TrendBoard.empty().grown(len(bundle.catalogue)),
            newest=none,
            pool=none,
            pool_factors=np.empty((0, width), np.float32),
            trials=Trials.none(),
            story_share=np.zeros(len(bundle.catalogue), np.float32),
            tellings=Tellings.of(bundle.catalogue.story, bundle.catalogue.site),
            click_rate=np.full(len(bundle.catalogue), click_rate(0.0, 0.0), np.float32),
            exposure=np.zeros(len(bundle.catalogue), np.float32),
            judged=bundle.judged,
            rulings=Rulings.of([], bundle.catalogue),
        )

    def add(self, articles: Sequence[Article]) -> None:
        """Take new articles, or new descriptions of known ones, into the view.

        A new article is embedded, grouped with its story and given factors from its content. A
        known one keeps its vector until the next bundle. Either ends an earlier withdrawal.
        """
        latest = {article.id: article for article in articles}
        ids = self.view.catalogue.ids
        known = [a for a in latest.values() if str(a.id) in ids]
        fresh = [a for a in latest.values() if str(a.id) not in ids]
        if known:
            self._update(known)
        if fresh:
            self._append(fresh)

    def rule(self, rules: Sequence[Rule]) -> None:
        """Take the editors' rules, the newest first; those that are not active yet count later.

        They count from the next ``refresh`` on.
        """
        self._rules = tuple(rules)

    def withdraw(self, ids: Iterable[ArticleId]) -> None:
        """Take articles out of every later answer; unknown ones are ignored."""
        rows = self.view.catalogue.ids.rows(str(id) for id in ids)
        self.view = dataclasses.replace(
            self.view, withdrawn=self._withdrawn.put(rows[rows >= 0], True)
        )

    def observe(self, events: Iterable[Event]) -> None:
        """Count what readers opened and what boxes showed; unknown articles are skipped.

        A reader is the visitor or, without consent, the session; opening an article again, or
        reading it after the click, is the same voice and the same step of the visit.
        """
        for event in events:
            row = self.view.catalogue.ids.row(str(event.article))
            if row < 0:
                continue
            name = event.visitor or event.session
            if event.kind == Kind.IMPRESSION:
                self.trends.shown.add_one(row, event.at)
            elif name:
                self._open(name, row, event)
            else:
                self._count(row, event, LANDING)

    def forget(self, visitors: Iterable[str]) -> None:
        """Drop readers: what they opened lately, and what the bundle knows of them.

        Sums over many readers stay: nobody can be told from them.
        """
        for visitor in visitors:
            self._readers.forget(visitor)
            row = self.bundle.visitors.row(visitor)
            if row >= 0:
                self._forgotten.add(row)

    def _open(self, name: str, row: int, event: Event) -> None:
        reader = self._readers[name].at_event(event)
        if row not in reader.visit:
            for step, earlier in enumerate(reversed(reader.visit[-REACH:]), start=1):
                self.coread.add(earlier, row, event.at, 1.0 / step)
            for segment in reader.context:
                self.segments.add(segment, row, event.at)
        if row not in reader.opened and row not in self._bundled(name):
            self._count(row, event, 1.0 if reader.visit else LANDING)
        self._readers[name] = reader.after(row, event, self.settings.remembered)

    def _count(self, row: int, event: Event, weight: float) -> None:
        if event.slate:
            self.trends.clicked.add_one(row, event.at)
        else:
            self.trends.voices.add_one(row, event.at, weight)

    def opened(self, name: str) -> Int32:
        """Return the rows that a visitor (or session) has opened, int32[m], oldest first."""
        bundled, fresh = self._bundled(name), self._readers[name].opened
        if not fresh:
            return bundled
        known = set(bundled.tolist())
        return np.concatenate([bundled, np.array([r for r in fresh if r not in known], np.int32)])

    def visit(self, name: str, now: int) -> tuple[int, ...]:
        """Return the rows of the visit that a reader is in at ``now``, oldest first."""
        reader = self._readers[name]
        return reader.visit if now - reader.at <= GAP else ()

    def bundled_reader(self, name: str) -> int:
        """Return the row of a visitor in the bundle, -1 where unknown or to be forgotten."""
        row = self.bundle.visitors.row(name) if name else -1
        return -1 if row in self._forgotten else row

    def _bundled(self, name: str) -> Int32:
        return self.bundle.reads.of(self.bundled_reader(name))

    def refresh(self, now: int) -> None:
        """Rank what trends at ``now``; meant for every second or two, not for each event."""
        ahead = self.view.board.as_of - now
        if ahead > SLEWED:
            self.trends.set_back(ahead)
        self.segments.forget(now, SWEPT)
        active = tuple(rule for rule in self._rules if rule.active(now))
        if active != self._active:
            self._active = active
            rulings = self._rulings(self.view.catalogue, self.view.cards)
            self.view = dataclasses.replace(self.view, rulings=rulings)
        view, settings = self.view, self.settings
        catalogue, standing = view.catalogue, self._stand(now)
        board = trending.board(
            self._wanted(standing.down, now),
            catalogue.site,
            now,
            per_site=settings.per_site,
            site_exponent=settings.site_exponent,
            before=view.board.rows,
        )
        newest = standing.newest
        later = newest[~np.isin(newest, board.rows)]
        pool = np.concatenate([board.rows, later])[: settings.pool]
        self.view = dataclasses.replace(
            view,
            board=board,
            newest=newest,
            pool=pool,
            pool_factors=self.factors(pool),
            **self._told_by_boxes(newest, now),
            story_share=np.bincount(
                catalogue.story, weights=board.share, minlength=len(catalogue)
            ).astype(np.float32),
        )

    def _stand(self, now: int) -> Standing:
        """Return who is up at ``now``, found anew only when that may have changed."""
        view, before = self.view, self._standing
        if not before.holds(view, now):
            self._standing = Standing.of(view, now, self.settings.pool, before.newest)
        return self._standing

    def _wanted(self, down: Int64, now: int) -> Iterator[Float64]:
        """Give f64[A] for each clock, the slowest first: the demand for what is up."""
        for clock in reversed(range(len(self.trends.half_lives))):
            wanted = self.trends.clock(clock, now)
            wanted[down] = 0.0
            yield wanted

    def _told_by_boxes(self, newest: Int32, now: int) -> dict[str, Any]:
        """Return the parts of a view that clicks and impressions in boxes decide.

        On trial is what came lately and was shown little; sponsored articles never are.
        """
        catalogue = self.view.catalogue
        clicked, shown = (part.clock(-1, now) for part in (self.trends.clicked, self.trends.shown))
        rate = click_rate(float(clicked.sum()), float(shown.sum()))
        young = catalogue.published[newest] > now - self.settings.trial_age
        little = shown[newest] < self.settings.trial_shown
        rows = newest[young & little & ~catalogue.sponsored[newest]]
        return {
            "trials": trials(
                rows,
                catalogue.published[rows],
                clicked[rows],
                shown[rows],
                rate=rate,
                seed=now,
            ),
            "click_rate": ((clicked + PRIOR * rate) / (shown + PRIOR)).astype(np.float32),
            "exposure": shown.astype(np.float32),
        }

    def _rulings(self, catalogue: Catalogue, cards: Mapping[int, Card]) -> Rulings:
        return self._matcher.rulings(self._active, catalogue, cards)

    def vectors(self, rows: Int32) -> Float32:
        """Return f32[m, d]: the content vectors of rows."""
        return _take(self.bundle.vectors, self.view.vectors, rows)

    def factors(self, rows: Int32) -> Float32:
        """Return f32[m, f]: the ALS factors of rows, from content where nobody has read them."""
        return _take(self.bundle.factors.articles, self.view.factors, rows)

    def related(self, view: View, row: int) -> tuple[Int32, Float32]:
        """Return rows int32[k] and cosines f32[k] of the articles most like one, best first."""
        bundle, bundled = self.bundle, len(self.bundle.catalogue)
        if row < bundled:
            rows, scores, own = bundle.related[row], bundle.related_scores[row], bundle.vectors[row]
        else:
            rows, scores = view.related[row - bundled]
            own = view.vectors[row - bundled]
        near: tuple[Int32, Float32] = _nearest(rows, scores, own, view.vectors, row, bundled)
        return near

    def row(self, article: ArticleId) -> int:
        """Return the row of an article, -1 where it is unknown."""
        row = self._rows.get(article, -1)
        if row < 0:
            row = self.view.catalogue.ids.row(str(article))
            if row >= 0:  # it keeps its row for good
                if len(self._rows) >= CACHED:
                    self._rows.clear()
                self._rows[article] = row
        return row

    def card(self, row: int) -> Card:
        """Return the card of a row."""
        return self.view.cards.get(row) or self._bundled_card(row)

    def find_url(self, url: str) -> int:
        """Return the row of the article at an address, -1 where it is unknown."""
        row = self.view.urls.get(url)
        return self._bundled_url(url) if row is None else row

    def _update(self, articles: Sequence[Article]) -> None:
        view = self.view
        rows = view.catalogue.ids.rows(str(a.id) for a in articles)
        catalogue = view.catalogue.updated(rows, articles, self._columns)
        cards = {**view.cards, **_cards(rows, articles)}
        self.view = dataclasses.replace(
            view,
            catalogue=catalogue,
            withdrawn=self._withdrawn.put(rows, False),
            judged=self._judged.put(rows, self.bundle.tone.judge(_leads(articles))),
            cards=cards,
            rulings=self._rulings(catalogue, cards),
            urls={**view.urls, **{a.url: r for a, r in zip(articles, rows.tolist(), strict=True)}},
        )

    def _append(self, articles: Sequence[Article]) -> None:
        view, bundle = self.view, self.bundle
        texts = [text_of(article) for article in articles]
        vectors = bundle.embedder.embed(texts)
        near, cosines = bundle.index.search(vectors, bundle.related.shape[1])
        signatures = self._signatures.append(stories.signatures(texts))
        told = self._stories(signatures, near)
        catalogue = view.catalogue.extended(articles, told, self._columns)
        first = len(view.catalogue)
        rows = np.arange(first, first + len(articles), dtype=np.int32)
        self.trends.grow(len(catalogue))
        cards = {**view.cards, **_cards(rows, articles)}
        self.view = dataclasses.replace(
            view,
            catalogue=catalogue,
            withdrawn=self._withdrawn.append(np.zeros(len(articles), np.bool_)),
            cards=cards,
            rulings=self._rulings(catalogue, cards),
            urls={**view.urls, **{a.url: r for a, r in zip(articles, rows.tolist(), strict=True)}},
            vectors=self._vectors.append(vectors),
            factors=self._factors.append(cold_factors(vectors, bundle.cold_map)),
            signatures=signatures,
            related=(*view.related, *zip(near, cosines, strict=True)),
            board=view.board.grown(len(catalogue)),
            story_share=_grown(view.story_share, len(catalogue), 0.0),
            tellings=view.tellings.extended(catalogue.story, catalogue.site),
            click_rate=_grown(view.click_rate, len(catalogue), click_rate(0.0, 0.0)),
            exposure=_grown(view.exposure, len(catalogue), 0.0),
            judged=self._judged.append(bundle.tone.judge(_leads(articles))),
        )

    def _stories(self, signatures: Signatures, near: Int32) -> Int32:
        """Return int32[m]: the stories of articles about to be appended.

        ``signatures`` uint32[F + m, w] are of all that came after the bundle.
        """
        bundled = len(self.bundle.catalogue)
        known = len(self.view.signatures)
        story = list(self.view.catalogue.story[bundled:])
        for place, signature in enumerate(signatures[known:]):
            row = bundled + len(story)
            told = stories.assign(
                signature, near[place], self.bundle.signatures, self.bundle.catalogue.story, -1
            )
            if told < 0 and story:
                # Copies mostly come out within hours, so both may be newer than the bundle.
                earlier = np.arange(len(story), dtype=np.int32)
                told = stories.assign(signature, earlier, signatures, np.array(story, np.int32), -1)
            story.append(told if told >= 0 else row)
        return np.array(story[known:], np.int32)


def _leads(articles: Sequence[Article]) -> list[str]:
    return [lead_of(article) for article in articles]


def _cards(rows: Int32, articles: Sequence[Article]) -> dict[int, Card]:
    return dict(zip(rows.tolist(), map(Card.of, articles), strict=True))


def _grown(column: Float32, size: int, value: float) -> Float32:
    fresh = np.full(size - len(column), value, np.float32)
    return np.concatenate([column, fresh])


def _take(bundled: Float32, fresh: Float32, rows: Int32) -> Float32:
    """Return the rows of ``fresh`` stacked under ``bundled``, without stacking them."""
    if not len(fresh):
        return bundled[rows]
    old = rows < len(bundled)
    taken = np.empty((len(rows), bundled.shape[1]), np.float32)
    taken[old], taken[~old] = bundled[rows[old]], fresh[rows[~old] - len(bundled)]
    return taken


@kernel
def _nearest(rows, cosines, own, fresh, row, bundled):  # type: ignore[no-untyped-def]
    """Return the rows and cosines of what is like a row, best first, ties by row.

    ``rows`` and ``cosines`` are those of the bundle, in order; the vectors ``fresh`` come after it.
    """
    near, likeness = np.empty(len(rows) + len(fresh), np.int32), np.empty(len(rows) + len(fresh))
    size = 0
    for place in range(len(rows)):
        if rows[place] >= 0 and rows[place] != row and cosines[place] > 0:
            near[size], likeness[size] = rows[place], cosines[place]
            size += 1
    known = size
    for place in range(len(fresh)):
        cosine = dot(own, fresh[place])
        if bundled + place != row and cosine > 0:
            near[size], likeness[size] = bundled + place, cosine
            size += 1
    near, likeness = near[:size], likeness[:size]
    if size > known:
        best = order(likeness, near)
        near, likeness = near[best], likeness[best]
    return near, likeness.astype(np.float32)
