"""Replays the engine as it is served: pages ask, and the store's events follow."""

import numpy as np

from recsys.arrays import Float64, Int32, Int64
from recsys.bundle import Bundle
from recsys.candidates import SOURCES
from recsys.engine import Engine
from recsys.history import History, Step
from recsys.live import Live, LiveSettings
from recsys.policy import Policy
from recsys.replay import Ask, Listed
from recsys.types import Event, Kind, Query

NAMES = (*SOURCES, "latest", "exploration", "editors", "sponsored")
"""What may speak for a card."""


class EngineSystem:
    """The engine as it is served, fed step by step.

    Where ``names_reader`` or ``tells_visit`` is off, pages do not say who reads, or what was
    read before in the visit.
    """

    sources = NAMES

    def __init__(
        self,
        name: str,
        engine: Engine,
        history: History,
        *,
        names_reader: bool = True,
        tells_visit: bool = True,
    ) -> None:
        self.name = name
        self._names_reader = names_reader
        self._tells_visit = tells_visit
        self.engine = engine
        self._history = history
        self._ids = [article.id for article in history.articles]
        self._rows = {str(id): row for row, id in enumerate(self._ids)}

    @classmethod
    def of(
        cls, name: str, bundle: Bundle, policy: Policy, history: History, **page: bool
    ) -> "EngineSystem":
        """Return a bundle as it would be served under a policy, but that nothing is tried out.

        History cannot say how a card would have done that nobody was shown.
        """
        live = Live(bundle, LiveSettings(trial_age=0))
        return cls(name, Engine(bundle, live, policy.still()), history, **page)

    def needs(self, cut: int) -> int:
        """Need only what came after the bundle."""
        return min(cut, self.engine.bundle.manifest.data_until)

    def joined(self, row: int) -> None:
        """Publish an article to the engine, unless its bundle has it."""
        article = self._history.articles[row]
        if str(article.id) not in self.engine.live.view.catalogue.ids:
            self.engine.live.add([article])

    def observe(self, step: Step) -> None:
        """Send the engine what the service would get from the store, after its bundle."""
        if step.at < self.engine.bundle.manifest.data_until:
            return
        event = Event(
            id="",
            kind=Kind.CLICK,
            article=self._ids[step.article],
            at=step.at,
            visitor=self._visitor(step.visitor),
            session=str(step.visit),
            slate=str(step.slate) if step.slate >= 0 else "",
            context=step.context,
        )
        self.engine.live.observe([event])

    def saw(self, rows: Int32, at: Int64) -> None:
        """Count cards that boxes have shown, after the bundle's time."""
        since = at >= self.engine.bundle.manifest.data_until
        self.engine.live.observe(
            Event(id="", kind=Kind.IMPRESSION, article=self._ids[row], at=when)
            for row, when in zip(rows[since].tolist(), at[since].tolist(), strict=True)
        )

    def refresh(self, now: int) -> None:
        """Rank what trends."""
        self.engine.live.refresh(now)

    def recommend(self, ask: Ask, k: int) -> Int32:
        """Return the slate of the page that the reader is on."""
        return self.tell(ask, k).rows

    def tell(self, ask: Ask, k: int) -> Listed:
        """Return the slate with the source of each card and its score."""
        items = self.engine.recommend(self.query(ask, k)).items
        return Listed(
            np.array([self._rows[str(item.article)] for item in items], np.int32),
            np.array([NAMES.index(item.source) for item in items], np.int8),
            np.array([item.score for item in items], np.float32),
        )

    def score(self, ask: Ask, rows: Int32) -> Float64:
        """Return how the engine ranks just these articles, f64[m], the higher the better."""
        found = self.engine.live.view.catalogue.ids.rows(str(self._ids[row]) for row in rows)
        return self.engine.scores(self.query(ask, len(rows)), found)

    def query(self, ask: Ask, k: int) -> Query:
        """Return what the page that the reader is on would ask for."""
        page = self._ids[ask.trail[-1]] if ask.trail else None
        return Query(
            site=page.site if page else "",
            now=ask.now,
            article=page,
            visitor=self._visitor(ask.visitor) if self._names_reader else "",
            history=tuple(self._ids[row] for row in ask.trail[:-1] if self._tells_visit),
            n=k,
            context=ask.context,
        )

    def _visitor(self, row: int) -> str:
        return self._history.visitors[row] if row >= 0 else ""
