"""Turns a query into rows: who asks, from where, and which articles must not be shown."""

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int8, Int16, Int32, Int64
from recsys.compiled import kernel
from recsys.coread import Steps
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy, SectionRules
from recsys.rulings import Ruled
from recsys.tables import TONES
from recsys.types import Query, Tone
from recsys.view import View

RECENT = 100
"""Latest articles of a reader from whom a taste is folded in."""
TRAIL_WEIGHTS = (1.0, 0.3, 0.1)
"""How much the last, the second and the third last article of a visit say of the next one."""

FILTERS = (*("unpublished", "expired", "withdrawn", "editors", "language", "read", "age", "tone"),)
"""What may keep an article out, in the order in which an explanation names it."""


class Gate(NamedTuple):
    """What decides whether a row may be shown, as kernels read it; columns are of A articles."""

    now: int
    published: Int64
    expires: Int64
    withdrawn: Bool
    blocked: Bool
    language: Int16
    spoken: Bool
    """bool[L + 1]: which language codes may be shown."""
    story: Int32
    read: Int32
    """int32[r], sorted: stories that the reader has opened."""
    section: Int16
    max_age: Float64
    """f64[C + 1], by section: seconds from which on an article is too old; 0 for never."""
    sponsored: Bool
    told: Int8
    judged: Int8
    ruled: Int8
    classify: bool
    page: int
    """Code of the page's tone where it keeps others out, else 0."""
    lenient: bool


GRAVE, LIGHT = TONES.index(Tone.GRAVE), TONES.index(Tone.LIGHT)


@kernel
def hindrances(gate: Gate, rows: Int32) -> Int32:
    """Return int32[k], what keeps rows out: bit b for ``FILTERS[b]``; 0 for what may be shown."""
    # Each column by a name of its own: reaching into a tuple counts references, row after row.
    now, published, expires, withdrawn = gate.now, gate.published, gate.expires, gate.withdrawn
    blocked, language, spoken, section = gate.blocked, gate.language, gate.spoken, gate.section
    stories, read, max_age, sponsored = gate.story, gate.read, gate.max_age, gate.sponsored
    told, judged, ruled = gate.told, gate.judged, gate.ruled
    classify, page = gate.classify, gate.page
    result = np.empty(len(rows), np.int32)
    for place in range(len(rows)):
        row, found = rows[place], 0
        if published[row] > now:
            found |= 1
        if expires[row] <= now:
            found |= 2
        if withdrawn[row]:
            found |= 4
        if blocked[row]:
            found |= 8
        if not spoken[language[row]]:
            found |= 16
        story, low, high = stories[row], 0, len(read)
        while low < high:
            middle = (low + high) // 2
            if read[middle] < story:
                low = middle + 1
            else:
                high = middle
        if low < len(read) and read[low] == story:
            found |= 32
        most = max_age[section[row]]
        if most > 0 and now - published[row] >= most:
            found |= 64
        if page != 0:
            tone = _tone(ruled, told, judged, classify, row)
            if page == GRAVE and (tone == LIGHT or sponsored[row]):
                found |= 128
            if page == LIGHT and tone == GRAVE:
                found |= 128
        result[place] = found
    return result


@kernel
def passing(gate: Gate, rows: Int32) -> Bool:
    """Return bool[k]: what may be shown, or is asked for whatever filters say."""
    if gate.lenient:
        return np.ones(len(rows), np.bool_)
    found = hindrances(gate, rows)
    result = np.empty(len(rows), np.bool_)
    for place in range(len(rows)):
        result[place] = found[place] == 0
    return result


@kernel
def _tone(ruled: Int8, told: Int8, judged: Int8, classify: bool, row: int) -> int:
    tone: int = ruled[row]
    if tone < 0:
        tone = told[row]
        if tone == 0 and classify:
            tone = judged[row]
    return tone


@kernel
def _tones(ruled: Int8, told: Int8, judged: Int8, classify: bool, rows: Int32) -> Int8:
    found = np.empty(len(rows), np.int8)
    for place in range(len(rows)):
        found[place] = _tone(ruled, told, judged, classify, rows[place])
    return found


@kernel
def _sides(gate: Gate, rows: Int32) -> tuple[Bool, Bool]:
    tone = _tones(gate.ruled, gate.told, gate.judged, gate.classify, rows)
    sponsored = gate.sponsored
    grave, soft = np.empty(len(rows), np.bool_), np.empty(len(rows), np.bool_)
    for place in range(len(rows)):
        grave[place] = tone[place] == GRAVE
        soft[place] = tone[place] == LIGHT or sponsored[rows[place]]
    return grave, soft


@kernel
def beside(gate: Gate, rows: Int32, chosen: Int32, by_tone: bool) -> Bool:
    """Return bool[k]: which rows may be shown, and change nothing in whether a slate is grave.

    The slate ``chosen`` int32[n] is asked about its tone only where ``by_tone`` says so.
    """
    fits: Bool = passing(gate, rows)
    if by_tone:
        any_grave = _sides(gate, chosen)[0].any()
        grave, soft = _sides(gate, rows)
        for place in range(len(rows)):
            fits[place] &= not (soft[place] if any_grave else grave[place])
    return fits


@kernel
def _stories(story: Int32, rows: Int32) -> Int32:
    found = np.empty(len(rows), np.int32)
    for place in range(len(rows)):
        found[place] = story[rows[place]]
    found.sort()
    return found


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
    gate: Gate = field(init=False, repr=False)
    """What filters are decided by."""
    _steps: list[Steps] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        view, policy, catalogue = self.view, self.policy, self.view.catalogue
        page = TONES.index(self.tone_of_page) if policy.tone.page else 0
        gate = Gate(
            self.now,
            catalogue.published,
            catalogue.expires,
            view.withdrawn,
            self.ruled.blocked,
            catalogue.language,
            self.language,
            catalogue.story,
            _stories(catalogue.story, self.opened),
            catalogue.section,
            self._by_section("max_age", policy.max_age),
            catalogue.sponsored,
            catalogue.tone,
            view.judged,
            view.rulings.tone,
            policy.tone.classify,
            page,
            self.lenient,
        )
        object.__setattr__(self, "gate", gate)

    def eligible(self, rows: Int32) -> Bool:
        """Return bool[k]: which rows may be shown at all. This never relaxes."""
        passes: Bool = passing(self.gate, rows)
        return passes

    def filters(self, rows: Int32) -> dict[str, Bool]:
        """Return by name of a filter, bool[k]: which rows it lets pass."""
        found = hindrances(self.gate, rows)
        return {name: (found >> bit & 1) == 0 for bit, name in enumerate(FILTERS)}

    @property
    def ruled(self) -> Ruled:
        """What editors' rules say on the page's site."""
        return self.view.rulings.on(self.site)

    def steps(self, live: Live) -> Steps:
        """Return what was opened after the last articles of the visit, the very last first."""
        if not self._steps:
            trail = self.trail[: -len(TRAIL_WEIGHTS) - 1 : -1]
            self._steps.append(live.coread.steps(trail, self.now, len(self.view.catalogue)))
        return self._steps[0]

    def tone(self, rows: Int32) -> Int8:
        """Return int8[k]: codes of tones, as ``tones`` tells them."""
        return tones(self.view, rows, self.policy)

    def sides(self, rows: Int32) -> tuple[Bool, Bool]:
        """Return bool[k] twice: what is grave, and what is too light or paid for to stand by it."""
        grave, soft = _sides(self.gate, rows)
        return grave, soft

    def lives(self, half_life: float) -> Float64:
        """Return f64[C + 1], by section: ``half_life`` or its own; 0 for never. In seconds."""
        return self._by_section("half_life", half_life)

    def _by_section(self, name: str, otherwise: float) -> Float64:
        rules = tuple(self.policy.sections.items()) if self.policy.sections else ()
        return by_section(self.view.catalogue.sections, rules, name, float(otherwise))


def tones(view: View, rows: Int32, policy: Policy) -> Int8:
    """Return int8[k]: codes of tones, by an editor's rule, else the publisher's label, else judged.

    The classifier speaks only where the policy lets it.
    """
    told: Int8 = _tones(
        view.rulings.tone, view.catalogue.tone, view.judged, policy.tone.classify, rows
    )
    return told


@functools.lru_cache(1024)
def by_section(
    sections: Vocabulary, rules: tuple[tuple[str, SectionRules], ...], name: str, otherwise: float
) -> Float64:
    """Return f64[C + 1]: what the rules of sections say, ``otherwise`` where they say nothing.

    The last entry stands for code -1, an article without a section.
    """
    own = {section.lower(): getattr(rule, name) for section, rule in rules}
    told = [own.get(section.lower()) for section in sections]
    return np.array([otherwise if one is None else one for one in (*told, None)], np.float64)


def resolve(query: Query, live: Live, policy: Policy, notes: list[str]) -> Situation:
    """Return a query in rows, under the policy of its placement.

    What nobody knows is said in ``notes``. A page about an article that is not known counts as
    grave: it may be a war report that is faster than its publisher's import.
    """
    view = live.view
    catalogue, size = view.catalogue, len(view.catalogue)
    anchor = live.row(query.article) if query.article else -1
    if anchor >= size:  # newer than this view
        anchor = -1
    tone = Tone.UNKNOWN
    if anchor >= 0:
        told = view.catalogue.tone
        tone = TONES[_tone(view.rulings.tone, told, view.judged, policy.tone.classify, anchor)]
    elif query.article:
        tone = Tone.GRAVE
        notes.append(f"article {str(query.article)!r} is unknown; the answer does without it")
    site = catalogue.sites.row(query.site)
    if query.site and site < 0:
        notes.append(f"site {query.site!r} has no article; every site counts as another one")
    trail = [row for row in map(live.row, query.history) if 0 <= row < size]
    seen = trail
    known = view.newest[:0]
    if query.visitor:
        # A reader may have opened what this view does not hold yet.
        if not trail:
            trail = [row for row in live.visit(query.visitor, query.now) if row < size]
        known = live.opened(query.visitor)
        if len(known) and known.max() >= size:
            known = known[known < size]
        if not len(known) and not seen:
            notes.append("the visitor is unknown; the answer does without a history")
    if anchor >= 0:
        trail = [*(row for row in trail if row != anchor), anchor]
        seen = [*seen, anchor]
    opened = np.concatenate([known, np.array(seen, np.int32)])
    return Situation(
        view=view,
        now=query.now,
        site=site,
        anchor=anchor,
        trail=tuple(trail),
        opened=opened,
        taste=_taste(query.visitor, opened, live),
        language=_languages(catalogue.languages, policy.languages),
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


@functools.lru_cache(256)
def _languages(known: Vocabulary, spoken: tuple[str, ...]) -> Bool:
    """Return bool[L + 1]: which languages may be shown."""
    allowed = [not spoken or language in spoken for language in known]
    return np.array([*allowed, True], np.bool_)
