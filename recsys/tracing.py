"""Puts into words what an answer was made of."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.candidates import Candidates
from recsys.mixer import Pick, Ranked
from recsys.rules import Action
from recsys.rulings import BLOCKS, FACTORS
from recsys.situation import Situation
from recsys.trace import LONGEST, Considered, Moved, Removed, Trace
from recsys.types import Slate


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A slate with all that it was made of."""

    slate: Slate
    situation: Situation
    names: tuple[str, ...]
    """Of the sources, in the order of ``ranked.parts``."""
    ranked: Ranked
    picked: Pick


def trace(
    answer: Answer, proposals: Sequence[Candidates], placement: str, title: Callable[[int], str]
) -> Trace:
    """Return everything that decided an answer.

    ``proposals`` are what the sources proposed before any filter; ``title`` names a row.
    """
    situation, ranked = answer.situation, answer.ranked
    catalogue = situation.view.catalogue
    site = catalogue.sites[situation.site] if situation.site >= 0 else ""
    slots = {str(item.article): slot for slot, item in enumerate(answer.slate.items, start=1)}
    changing = (*FACTORS, Action.PIN)
    considered = []
    for place, row in enumerate(ranked.rows[:LONGEST].tolist()):
        id = catalogue.id(row)
        parts = ranked.parts[:, place].tolist()
        considered.append(
            Considered(
                article=id,
                title=title(row),
                parts={n: part for n, part in zip(answer.names, parts, strict=False) if part > 0},
                fused=float(ranked.fused[place]),
                ranked=float(ranked.chances[place]),
                factor=float(ranked.factor[place]),
                score=float(ranked.scores[place]),
                rules=situation.view.rulings.naming(row, site, changing),
                slot=slots.get(str(id), 0),
            )
        )
    return Trace(
        slate=answer.slate,
        placement=placement,
        tone=situation.tone_of_page,
        candidates=tuple(considered),
        removed=_removed(situation, proposals, site, title),
        moved=tuple(
            Moved(slot + 1, catalogue.id(row), title(row), why)
            for slot, row, why in (
                (slot, int(ranked.rows[place]), why) for slot, place, why in answer.picked.moved
            )
        ),
    )


def _removed(
    situation: Situation, proposals: Sequence[Candidates], site: str, title: Callable[[int], str]
) -> tuple[Removed, ...]:
    """Return what filters took out, in the order of rows; by the first filter that did."""
    rows = np.unique(np.concatenate([np.empty(0, np.int32), *(p.rows for p in proposals)]))
    rows = rows.astype(np.int32)
    filters = situation.filters(rows)
    out = np.flatnonzero(~functools.reduce(np.logical_and, filters.values()))
    named = {p.source: set(p.rows.tolist()) for p in proposals}
    found = []
    for place in out.tolist():
        row = int(rows[place])
        if row == situation.anchor:
            continue
        why = next(name for name, passes in filters.items() if not passes[place])
        blocking = situation.view.rulings.naming(row, site, BLOCKS) if why == "editors" else ()
        found.append(
            Removed(
                article=situation.view.catalogue.id(row),
                title=title(row),
                sources=tuple(source for source, its in named.items() if row in its),
                filter=why,
                rule=blocking[0] if blocking else "",
            )
        )
    return tuple(found)
