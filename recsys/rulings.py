"""Turns editors' rules into rows: which articles each is about, and what follows for every one."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.arrays import Bool, Float32, Int8, Int32
from recsys.rules import Action, Aim, Rule
from recsys.tables import TONES, Catalogue
from recsys.types import Card

BLOCKS = (Action.BLOCK, Action.STOP)
FACTORS = (Action.BOOST, Action.BURY)


@dataclass(frozen=True, slots=True)
class Pin:
    """An article that editors put into a slot."""

    slot: int
    """From 1."""
    row: int
    rule: str


@dataclass(frozen=True, slots=True, eq=False)
class Ruled:
    """What rules say of each of A articles on some pages."""

    blocked: Bool
    """bool[A]"""
    factor: Float32
    """f32[A]: the product of all boosts and buries."""
    pins: tuple[Pin, ...]
    """In the order of slots; of two for one slot the newer rule comes first."""


@dataclass(frozen=True, slots=True, eq=False)
class Rulings:
    """What the rules that are active now say of A articles."""

    matches: tuple[tuple[Rule, Int32], ...]
    """Each rule with the rows int32[m] that it is about."""
    tone: Int8
    """int8[A]: code of the tone that a rule gives, -1 where none does."""
    everywhere: Ruled
    """By the rules without a site."""
    by_site: Mapping[int, Ruled]
    """On pages of the sites (by code) that have rules of their own, all rules together."""

    @classmethod
    def of(cls, matches: Sequence[tuple[Rule, Int32]], catalogue: Catalogue) -> "Rulings":
        """Return what follows from rules that match rows of a catalogue, the newest rule first."""
        size = len(catalogue)
        tone = np.full(size, -1, np.int8)
        for rule, rows in reversed(matches):
            if rule.action == Action.TONE:
                tone[rows] = TONES.index(rule.tone)
        general = [match for match in matches if not match[0].site]
        by_site = {
            code: _ruled([m for m in matches if m[0].site in ("", site)], size)
            for site in {rule.site for rule, _ in matches if rule.site}
            if (code := catalogue.sites.row(site)) >= 0
        }
        return cls(tuple(matches), tone, _ruled(general, size), by_site)

    def on(self, site: int) -> Ruled:
        """Return what counts on pages of a site (its code, -1 for unknown)."""
        return self.by_site.get(site, self.everywhere)

    def naming(self, row: int, site: str, actions: Sequence[Action]) -> tuple[str, ...]:
        """Return the ids of the rules about one row that count on pages of a site."""
        return tuple(
            rule.id
            for rule, rows in self.matches
            if rule.action in actions and rule.site in ("", site) and row in rows
        )


class Matcher:
    """Finds the rows that rules are about, in a bundle and in what came after it.

    What a rule matches in the bundle is looked up once; newer articles are few.
    """

    def __init__(self, cards: pa.Table) -> None:
        self._cards = cards
        self._found: dict[tuple[Aim, str], Int32] = {}

    def rulings(
        self, rules: Sequence[Rule], catalogue: Catalogue, fresh: Mapping[int, Card]
    ) -> Rulings:
        """Return what ``rules``, the newest first, say of a catalogue.

        ``fresh`` holds the cards of the rows that are not as the bundle has them.
        """
        return Rulings.of([(rule, self.rows(rule, catalogue, fresh)) for rule in rules], catalogue)

    def rows(self, rule: Rule, catalogue: Catalogue, fresh: Mapping[int, Card]) -> Int32:
        """Return int32[m]: the rows that a rule is about; none where nobody knows its article."""
        if rule.aim == Aim.ARTICLE:
            row = catalogue.ids.row(rule.value)
            if row < 0:
                return np.empty(0, np.int32)
            if rule.action == Action.STOP:
                return catalogue.tellings(row)
            return np.array([row], np.int32)
        key = rule.aim, rule.value
        if key not in self._found:
            self._found[key] = _bundled(self._cards, rule)
        newer, found = _about(rule), self._found[key]
        changed = np.fromiter(fresh, np.int32, len(fresh))
        rows = [row for row, card in fresh.items() if newer(card)]
        return np.union1d(found[~np.isin(found, changed)], rows).astype(np.int32)


def _ruled(matches: Sequence[tuple[Rule, Int32]], size: int) -> Ruled:
    blocked = np.zeros(size, np.bool_)
    factor = np.ones(size, np.float32)
    pins = []
    for rule, rows in matches:
        if rule.action in BLOCKS:
            blocked[rows] = True
        elif rule.action in FACTORS:
            factor[rows] *= np.float32(rule.factor)
        elif rule.action == Action.PIN:
            pins += [Pin(rule.slot, row, rule.id) for row in rows.tolist()]
    return Ruled(blocked, factor, tuple(sorted(pins, key=lambda pin: pin.slot)))


def _bundled(cards: pa.Table, rule: Rule) -> Int32:
    if rule.aim == Aim.PATTERN:
        pattern = f"^(?s:{_expression(rule.value)})$"
        found = [
            pc.match_substring_regex(cards[name], pattern, ignore_case=True)
            for name in ("title", "url")
        ]
        mask = pc.or_(*found).to_numpy(zero_copy_only=False)
        return np.flatnonzero(mask).astype(np.int32)
    if rule.aim == Aim.SECTION:
        same = pc.equal(pc.utf8_lower(cards["section"]), rule.value.strip().lower())
        return np.flatnonzero(same.to_numpy(zero_copy_only=False)).astype(np.int32)
    column = cards[f"{rule.aim}s"].combine_chunks()
    same = pc.equal(pc.utf8_lower(pc.list_flatten(column)), rule.value.strip().lower())
    rows = pc.list_parent_indices(column).filter(same).to_numpy(zero_copy_only=False)
    return np.unique(rows).astype(np.int32)


def _about(rule: Rule) -> Callable[[Card], bool]:
    wanted = rule.value.strip().lower()
    if rule.aim == Aim.SECTION:
        return lambda card: card.section.lower() == wanted
    if rule.aim == Aim.AUTHOR:
        return lambda card: wanted in (name.lower() for name in card.authors)
    if rule.aim == Aim.TAG:
        return lambda card: wanted in (name.lower() for name in card.tags)
    pattern = re.compile(_expression(rule.value), re.IGNORECASE | re.DOTALL)
    return lambda card: bool(pattern.fullmatch(card.title) or pattern.fullmatch(card.url))


def _expression(glob: str) -> str:
    """Return the regular expression of a glob, in words that Python and RE2 share."""
    # Runs of stars are one: each more would multiply the ways to fail.
    parts = re.split(r"(\*+|\?)", glob.strip())
    return "".join(
        ".*" if part.startswith("*") else "." if part == "?" else re.escape(part) for part in parts
    )
