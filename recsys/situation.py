"""Turns a query into rows: who asks, from where, and which articles must not be shown."""

import functools
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int8, Int32
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy, SectionRules
from recsys.rulings import Ruled
from recsys.tables import TONES
from recsys.types import Query, Tone
from recsys.view import View

RECENT = 100
"""Latest articles of a reader from whom a taste is folded in."""


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """A query in rows: who asks, from where, and what must not be shown."""

    view: View
    now: int
    site: int
    """Code of the page's site, -1 where unknown."""
    anchor: int
    """Row of the article on the page, -1 where there is none or it is unknown."""
    trail: tuple[int, ...]
    """Rows of the present visit, oldest first, the anchor last."""
    opened: Int32
    """Rows that the reader has opened, ever and in this visit."""
    taste: Float32 | None
    """f32[f], None for a reader of whom nothing is known."""
    language: Bool
    """bool[L + 1]: which language codes may be shown; the last entry stands for -1."""
    policy: Policy
    """What holds where the box stands."""
    tone_of_page: Tone
    """As ``tones`` tells that of the anchor; UNKNOWN without one."""
    context: tuple[str, ...]
    lenient: bool = False
    """Proposes what filters would take out too: to explain an answer, never to give one."""

    def freshness(self, rows: Int32, half_life: float) -> Float64:
        """Return f64[k] ``0.5 ** (age / half_life)``; 1 for a half-life of 0. In seconds.

        A section with a half-life of its own has that instead.
        """
        age = np.maximum(self.now - self.view.catalogue.published[rows], 0)
        if not self.policy.sections:
            return np.exp2(-age / half_life) if half_life > 0 else np.ones(len(rows))
        lives = self._by_section(rows, "half_life", half_life)
        return np.where(lives > 0, np.exp2(-age / np.maximum(lives, 1.0)), 1.0)

    def eligible(self, rows: Int32) -> Bool:
        """Return bool[k]: which rows may be shown at all. This never relaxes."""
        if self.lenient:
            return np.ones(len(rows), np.bool_)
        return functools.reduce(np.logical_and, self.filters(rows).values())

    def filters(self, rows: Int32) -> dict[str, Bool]:
        """Return by name of a filter, bool[k]: which rows it lets pass."""
        catalogue = self.view.catalogue
        found = {
            **self.view.filters(rows, self.now),
            "editors": ~self.ruled.blocked[rows],
            "language": self.language[catalogue.language[rows]],
            "read": ~np.isin(catalogue.story[rows], catalogue.story[self.opened]),
        }
        if self.policy.max_age or self.policy.sections:
            found["age"] = self._young(rows)
        if self.policy.tone.page and self.tone_of_page == Tone.GRAVE:
            found["tone"] = ~self.sides(rows)[1]
        elif self.policy.tone.page and self.tone_of_page == Tone.LIGHT:
            found["tone"] = ~self.sides(rows)[0]
        return found

    @property
    def ruled(self) -> Ruled:
        """What editors' rules say on the page's site."""
        return self.view.rulings.on(self.site)

    def tone(self, rows: Int32) -> Int8:
        """Return int8[k]: codes of tones, as ``tones`` tells them."""
        return tones(self.view, rows, self.policy)

    def sides(self, rows: Int32) -> tuple[Bool, Bool]:
        """Return bool[k] twice: what is grave, and what is too light or paid for to stand by it."""
        tone = self.tone(rows)
        light: Bool = tone == TONES.index(Tone.LIGHT)
        return tone == TONES.index(Tone.GRAVE), light | self.view.catalogue.sponsored[rows]

    def _young(self, rows: Int32) -> Bool:
        """Return bool[k]: what is not older than the policy lets it be."""
        most = self._by_section(rows, "max_age", self.policy.max_age)
        age = self.now - self.view.catalogue.published[rows]
        return np.asarray((most <= 0) | (age < most), np.bool_)

    def _by_section(self, rows: Int32, name: str, otherwise: float) -> Float64:
        """Return f64[k]: a number that sections of the policy may have instead of ``otherwise``."""
        catalogue = self.view.catalogue
        rules = tuple(self.policy.sections.items())
        own = by_section(catalogue.sections, rules, name)[catalogue.section[rows]]
        return np.where(np.isnan(own), otherwise, own)


def tones(view: View, rows: Int32, policy: Policy) -> Int8:
    """Return int8[k]: codes of tones, by an editor's rule, else the publisher's label, else judged.

    The classifier speaks only where the policy lets it.
    """
    told = view.catalogue.tone[rows]
    if policy.tone.classify:
        told = np.where(told == TONES.index(Tone.UNKNOWN), view.judged[rows], told)
    ruled = view.rulings.tone[rows]
    return np.where(ruled >= 0, ruled, told)


@functools.lru_cache(256)
def by_section(
    sections: Vocabulary, rules: tuple[tuple[str, SectionRules], ...], name: str
) -> Float64:
    """Return f64[C + 1]: what the rules of sections say, NaN where they say nothing.

    The last entry stands for code -1, an article without a section.
    """
    told = {section.lower(): getattr(rule, name) for section, rule in rules}
    own = [told.get(section.lower()) for section in sections]
    return np.array([*own, None], np.float64)


def resolve(query: Query, live: Live, policy: Policy, notes: list[str]) -> Situation:
    """Return a query in rows, under the policy of its placement.

    What nobody knows is said in ``notes``. A page about an article that is not known counts as
    grave: it may be a war report that is faster than its publisher's import.
    """
    view = live.view
    ids, catalogue = view.catalogue.ids, view.catalogue
    anchor = ids.row(str(query.article)) if query.article else -1
    tone = Tone.UNKNOWN
    if anchor >= 0:
        tone = TONES[int(tones(view, np.array([anchor], np.int32), policy)[0])]
    elif query.article:
        tone = Tone.GRAVE
        notes.append(f"article {str(query.article)!r} is unknown; the answer does without it")
    site = catalogue.sites.row(query.site)
    if query.site and site < 0:
        notes.append(f"site {query.site!r} has no article; every site counts as another one")
    trail = [row for row in ids.rows(map(str, query.history)).tolist() if row >= 0]
    opened: Int32 = np.array(trail, np.int32)
    if query.visitor:
        # A reader may have opened what this view does not hold yet.
        visit = live.visit(query.visitor, query.now)
        trail = trail or [row for row in visit if row < len(catalogue)]
        known = live.opened(query.visitor)
        opened = np.concatenate([known[known < len(catalogue)], opened])
        if not len(opened):
            notes.append("the visitor is unknown; the answer does without a history")
    if anchor >= 0:
        trail = [*(row for row in trail if row != anchor), anchor]
        opened = np.append(opened, np.int32(anchor))
    return Situation(
        view=view,
        now=query.now,
        site=site,
        anchor=anchor,
        trail=tuple(trail),
        opened=opened,
        taste=_taste(query.visitor, opened, live),
        language=_languages(catalogue.languages, policy),
        policy=policy,
        tone_of_page=tone,
        context=query.context,
    )


def _taste(visitor: str, opened: Int32, live: Live) -> Float32 | None:
    bundle, row = live.bundle, live.bundled_reader(visitor)
    if row >= 0 and len(opened) <= len(bundle.reads.of(row)):
        taste: Float32 = bundle.factors.visitors[row]
        return taste
    if not len(opened):
        return None
    known = opened[opened < len(bundle.catalogue)][-RECENT:]
    return bundle.factors.fold_in(known, np.ones(len(known), np.float32))


def _languages(known: Vocabulary, policy: Policy) -> Bool:
    """Return bool[L + 1]: which languages may be shown."""
    allowed = [not policy.languages or language in policy.languages for language in known]
    return np.array([*allowed, True], np.bool_)
