"""Answers a query with a slate: resolve, gather candidates, mix, explain."""

import dataclasses
import hashlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from recsys.arrays import Float32, Float64, Int32
from recsys.bundle import Bundle
from recsys.candidates import SOURCES, Candidates, Source, latest, sponsored, trends
from recsys.errors import UnknownArticle
from recsys.exploration import explore
from recsys.features import FEATURES, features
from recsys.live import Live
from recsys.mixer import Choices, Fused, Pick, Ranked, fuse, pick
from recsys.policy import PLACEMENTS, Policy
from recsys.quotas import Quotas
from recsys.ranker import Ranker
from recsys.rulings import Pin
from recsys.situation import Situation, beside, resolve
from recsys.trace import Trace
from recsys.tracing import Answer, trace
from recsys.trending import chart
from recsys.types import ArticleId, Card, Item, Query, Slate, Trend, TrendQuery

REASONS = {
    "related": "On a related subject",
    "co_read": "Often opened next",
    "trending": "Many readers open it now",
    "personal": "Close to what you have read",
    "latest": "Among the newest",
    "exploration": "New, and not often shown yet",
    "editors": "Chosen by the editors",
    "sponsored": "Sponsored",
}
"""What a card says of the source that speaks most for it."""

FILLER_WEIGHT = 1e-6
"""Puts the newest articles behind everything that a source proposes."""


Lap = Callable[[str], None]
"""Told the name of each stage of an answer as it ends, in order; what is told twice adds up.

The stages: ``resolve``, ``candidates/SOURCE`` for each source, ``rank``, ``mix``, ``explore``."""


def unwatched(_: str) -> None:
    """Watch no stage."""


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A bundle, what changed since, and the publisher's rules: all that an answer depends on."""

    bundle: Bundle = field(repr=False)
    live: Live = field(repr=False)
    policy: Policy
    sources: Mapping[str, Source] = field(default_factory=lambda: SOURCES)
    depth: int = 100
    """Candidates asked of each source; the mixer sees their union."""

    def recommend(self, query: Query, lap: Lap = unwatched) -> Slate:
        """Return ``query.n`` articles, best first, and fewer only where no more are eligible.

        An unknown article, reader or site is no error: the slate's notes say what was unknown.
        ``lap`` is called after each stage, for whoever times them.
        """
        return self._answer(query, lap).slate

    def explain(self, query: Query) -> Trace:
        """Return the answer to a query with everything that decided it: the same slate."""
        answer = self._answer(query)
        unfiltered = self._propose(dataclasses.replace(answer.situation, lenient=True))
        return trace(answer, unfiltered, query.place, lambda row: self.live.card(row).title)

    def _answer(self, query: Query, lap: Lap = unwatched) -> Answer:
        stale = self.bundle.ranker is not None and self._ranker is None
        notes = ["fusion ranks: the bundle's ranker knows other features"] if stale else []
        situation, proposals = self.consider(query, notes, lap)
        policy = situation.policy
        if query.placement and policy is self.policy and query.placement not in PLACEMENTS:
            notes.append(f"placement {query.placement!r} has no policy of its own")
        if any(slot <= query.n for slot in policy.sponsored.slots) and policy.sponsored.most:
            proposals.append(sponsored(self.live, situation, self.depth))
            lap("candidates/sponsored")
        ranked, picked = self._mix(proposals, situation, query.n, lap)
        asked = query.n
        while len(picked.places) < query.n:
            asked *= 4
            filler = latest(self.live, situation, asked)
            lap("candidates/latest")
            ranked, picked = self._mix([*proposals, filler], situation, query.n, lap)
            if len(filler.rows) < asked:
                break
        notes.extend(
            f"quota {name} gave way: too few articles within it" for name in picked.relaxed
        )
        names = tuple(dict.fromkeys([*(p.source for p in proposals), "latest"]))
        items = self._items(situation, ranked, picked, names, query.seed)
        slate = Slate(
            id=self._slate_id(query, items),
            items=items,
            bundle_id=self.bundle.id,
            policy_id=self.policy.id,
            notes=tuple(notes),
        )
        lap("explore")
        return Answer(slate, situation, names, ranked, picked)

    def consider(
        self, query: Query, notes: list[str] | None = None, lap: Lap = unwatched
    ) -> tuple[Situation, list[Candidates]]:
        """Return a query in rows, and what each source proposes for it; ``notes`` are added to."""
        policy = self.policy.at(query.place)
        situation = resolve(query, self.live, policy, [] if notes is None else notes)
        lap("resolve")
        return situation, self._propose(situation, lap)

    def _propose(self, situation: Situation, lap: Lap = unwatched) -> list[Candidates]:
        proposals = []
        for name, source in self.sources.items():
            if getattr(situation.policy.weights, name) > 0:
                proposals.append(source(self.live, situation, self.depth))
                lap(f"candidates/{name}")
        return proposals

    def fused(self, proposals: Sequence[Candidates], policy: Policy | None = None) -> Fused:
        """Return the union of proposals under a policy's weights, best first."""
        given = (policy or self.policy).weights
        return fuse(proposals, [getattr(given, p.source, FILLER_WEIGHT) for p in proposals])

    def describe(
        self, query: Query, devices: Sequence[str] = (), rows: Int32 | None = None
    ) -> tuple[Int32, Float32]:
        """Return ``rows`` int32[m] and f32[m, F] their ``FEATURES``; ``devices`` have codes.

        Where no rows are given they are what the sources propose, in fusion's order.
        """
        asked = self if rows is None else self._wide
        situation, proposals = asked.consider(query)
        fused = self.fused(proposals, situation.policy)
        found = fused.rows if rows is None else rows
        return found, self._features(situation, proposals, fused, devices, found)

    def scores(self, query: Query, rows: Int32) -> Float64:
        """Return f64[m]: how good ``rows`` int32[m] are for a query, whatever the quotas say.

        By the ranker where there is one, else by fusion; what no source proposes is last.
        """
        ranker = self._ranker
        if ranker is not None:
            return ranker.probabilities(self.describe(query, ranker.devices, rows)[1])
        situation, proposals = self._wide.consider(query)
        fused = self.fused(proposals, situation.policy)
        order = np.argsort(fused.rows)
        near = np.minimum(np.searchsorted(fused.rows, rows, sorter=order), len(order) - 1)
        if not len(order):
            return np.zeros(len(rows))
        return np.where(fused.rows[order[near]] == rows, fused.scores[order[near]], 0.0)

    @property
    def _wide(self) -> "Engine":
        """Given articles may stand far down in what sources propose."""
        return dataclasses.replace(self, depth=max(self.depth, WIDE))

    @property
    def _ranker(self) -> Ranker | None:
        """The bundle's ranker; an older one may want other features, and fusion serves then."""
        ranker = self.bundle.ranker
        return ranker if ranker is not None and ranker.features == FEATURES else None

    def _features(
        self,
        situation: Situation,
        proposals: Sequence[Candidates],
        fused: Fused,
        devices: Sequence[str],
        rows: Int32,
    ) -> Float32:
        union = fused.rows, fused.scores
        return features(self.live, situation, proposals, union, rows, devices=devices)

    def _chances(
        self, situation: Situation, proposals: Sequence[Candidates], fused: Fused
    ) -> Float64:
        """Return f64[m]: how probable what was fused is, as learned where there is a ranker."""
        ranker = self._ranker
        if ranker is None or not len(fused.rows):
            return fused.scores
        table = self._features(situation, proposals, fused, ranker.devices, fused.rows)
        return ranker.probabilities(table)

    def trending(self, query: TrendQuery) -> tuple[Trend, ...]:
        """Return the best ``query.n`` articles that trend, best first.

        Only what may be shown now is ranked, under the policy's rules for trends. An unknown site,
        section or language has no trends.
        """
        view = self.live.view
        catalogue = view.catalogue
        rows = np.flatnonzero(view.board.share > 0).astype(np.int32)
        rows = rows[view.shown(rows, query.now)]
        rows = rows[trends(view, rows, query.now, self.policy.trends)]
        for column, names, wanted in (
            (catalogue.site, catalogue.sites, query.site),
            (catalogue.section, catalogue.sections, query.section),
            (catalogue.language, catalogue.languages, query.language),
        ):
            if wanted:
                rows = rows[column[rows] == (names.row(wanted) if wanted in names else -2)]
        if query.exclude_site:
            rows = rows[catalogue.site[rows] != catalogue.sites.row(query.exclude_site)]
        ranked = chart(view.board, rows, query.window, query.n)
        return tuple(
            Trend(catalogue.id(row), *numbers)
            for row, *numbers in zip(*(column.tolist() for column in ranked), strict=True)
        )

    def card(self, article: ArticleId) -> Card:
        """Return what a page needs to draw an article; ``UnknownArticle`` where there is none."""
        row = self.live.row(article)
        if row < 0:
            raise UnknownArticle(f"article {str(article)!r} is in neither the bundle nor the store")
        return self.live.card(row)

    def find_url(self, url: str) -> ArticleId | None:
        """Return the article at an address, None where it is unknown."""
        row = self.live.find_url(url)
        return self.live.view.catalogue.id(row) if row >= 0 else None

    def _mix(
        self, proposals: Sequence[Candidates], situation: Situation, n: int, lap: Lap
    ) -> tuple[Ranked, Pick]:
        view, policy = situation.view, situation.policy
        fused = self.fused(proposals, policy)
        chances = self._chances(situation, proposals, fused)
        ranked = Ranked.of(fused, chances, situation.ruled.factor)
        pins = _pins(situation, n)
        if pins:
            ranked = ranked.with_rows(np.array([pin.row for pin in pins], np.int32))
        lap("rank")
        rows, catalogue = ranked.rows, view.catalogue
        choices = Choices(
            rows,
            ranked.scores,
            catalogue.site,
            catalogue.section,
            catalogue.story,
            self.live.bundle.vectors,
            view.vectors,
            catalogue.sponsored,
            *situation.sides(rows),
        )
        wanted = [(pin.slot - 1, int(np.flatnonzero(rows == pin.row)[0])) for pin in pins]
        picked = pick(choices, self._quotas(situation, n), policy=policy, pins=wanted)
        lap("mix")
        return ranked, picked

    def _items(
        self,
        situation: Situation,
        ranked: Ranked,
        picked: Pick,
        names: Sequence[str],
        seed: int,
    ) -> tuple[Item, ...]:
        """Return the cards of a slate, after some of its slots had their turn at chance."""
        view, catalogue = situation.view, situation.view.catalogue
        places, policy = np.array(picked.places, np.int64), situation.policy
        chosen, trial = ranked.rows[places], view.trials.rows
        fits = NONE
        if policy.exploration > 0 and len(trial):
            fits = beside(situation.gate, trial, chosen, policy.tone.slate)
        explored = explore(
            chosen,
            view.trials,
            fits,
            site=catalogue.site,
            section=catalogue.section,
            story=catalogue.story,
            quotas=self._quotas(situation, len(places)),
            keep=picked.pinned,
            share=policy.exploration,
            seed=seed,
        )
        by_editors = {(pin.slot - 1, pin.row) for pin in situation.ruled.pins}
        spoke = ranked.most(places)
        rows, scores = explored.rows.tolist(), ranked.scores[places].tolist()
        items = []
        for slot, (row, score, most) in enumerate(zip(rows, scores, spoke, strict=True)):
            source = names[most]
            if slot in explored.tried:
                source, score = "exploration", 0.0
            elif (slot, row) in by_editors:
                source = "editors"
            elif slot in picked.pinned:
                source = "sponsored"
            id = catalogue.id(row)
            items.append(Item(id, score, source, REASONS[source], explored.propensity[slot]))
        return tuple(items)

    def _quotas(self, situation: Situation, n: int) -> Quotas:
        policy, catalogue, site = situation.policy, situation.view.catalogue, situation.site
        return situation.view.once(
            ("quotas", id(policy), site, n),
            policy,
            lambda: Quotas.of(policy, site, n, catalogue.sites, catalogue.sections),
        )

    def _slate_id(self, query: Query, items: Sequence[Item]) -> str:
        """Return the same id for the same answer to the same query: replays must compare equal."""
        texts = [
            *(query.site, str(query.now), *(query.article or ("", "")), query.visitor),
            *(str(query.n), str(query.seed), query.placement, self.bundle.id, self.policy.id),
            *(str(len(query.history)), *chain(*query.history), *query.context),
        ]
        numbers = array("d")
        for item in items:
            texts += (*item.article, item.source)
            numbers.extend((item.score, item.propensity))
        told = "\x1f".join(texts).encode("utf-8", "surrogatepass") + numbers.tobytes()
        return hashlib.blake2b(told, digest_size=12).hexdigest()


NONE = np.empty(0, np.bool_)


def _pins(situation: Situation, n: int) -> list[Pin]:
    """Return the pins for ``n`` slots whose articles filters let pass."""
    pins = [pin for pin in situation.ruled.pins if pin.slot <= n]
    if not pins:
        return []
    passes = situation.eligible(np.array([pin.row for pin in pins], np.int32))
    return [pin for pin, fits in zip(pins, passes.tolist(), strict=True) if fits]


WIDE = 2000
"""Candidates asked of each source where given articles are to be ranked."""
