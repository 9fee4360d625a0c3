"""Makes the current bundle from the store: all of it or nothing, and one trainer at a time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import structlog
from filelock import FileLock, Timeout

from recsys import shelf
from recsys.bundle import Bundle, open_bundle, write
from recsys.errors import BundleCorrupt, BundleError, Busy, Held
from recsys.history import History
from recsys.policy import Policy
from recsys.tables import TONES
from training.champion import Champion, champion
from training.fit import NOBODY
from training.gate import Gate
from training.growth import growth
from training.learn import learn
from training.parts import code_version
from training.rivals import rivals
from training.stages import Report, Stage, silent, stage
from training.supply import supply
from training.verdict import Findings, Verdict, held, plain

if TYPE_CHECKING:
    from data.store import Snapshot
    from recsys.types import ArticleId, Tone
    from training.recipe import Recipe

log = structlog.get_logger(__name__)


class Known(Protocol):
    """What is asked for the past: the store, or an engine that reads it elsewhere."""

    def snapshot(self, until: int) -> Snapshot:
        """Return what was known before ``until`` (UTC seconds)."""
        ...


KEEP = 5
"""Bundles that stay on the disk: the current one and those that were current before it."""


def run(
    store: Known,
    root: Path,
    recipe: Recipe,
    now: int,
    *,
    policy: Policy | None = None,
    corrections: Mapping[ArticleId, Tone] = NOBODY,
    keep: int = KEEP,
    spare: Collection[str] = (),
    gate: Gate | None = None,
    force: bool = False,
    full: bool = False,
    by: str = "",
    why: str = "",
    before_publish: Callable[[], None] = lambda: None,
    learner: Callable[..., Bundle] = learn,
    report: Report = silent,
) -> Bundle:
    """Train on everything that ``store`` knew before ``now`` and make the result current.

    The ranker learns to correct the fusion of ``policy``, and the classifier of tones from editors'
    ``corrections``. Of the bundles before it the last ``keep`` stay, and those whose ids ``spare``
    names. Returns the bundle as it was opened from ``root``. Whatever fails, what was current stays
    so.

    With a ``gate`` the data, the recipe and the bundle are compared with what is in service, the
    cheapest first, and the verdict is kept in the manifest. Where nothing is in service, or what
    cannot be read, it is only recorded. With ``force`` the bundle is published whatever it says,
    and the verdict tells that, ``by`` whom and ``why``. What still holds of bundles in ``root`` is
    taken over, unless it is to be learned in ``full``: see ``training.earlier``.
    ``before_publish`` is called when all else is done, and may raise to keep the bundle from
    becoming current. ``learner`` stands in for ``learn``, where an engine knows more than its
    snapshot holds.

    Raises ``Held`` where the gate does not agree, ``Busy`` at once where another process is
    training into ``root``, and ``BundleError`` where the bundle cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    report = _logged(report)
    try:
        with FileLock(root / ".lock", timeout=0):
            shelf.clean(root)  # what a killed trainer left
            with stage("snapshot", report) as note:
                known = store.snapshot(until=now)
                note(f"{len(known.articles)} articles, {len(known.interactions)} events")
            history = History(known.articles, known.visitors, known.interactions)
            rival = champion(root)
            earlier = [] if full else _earlier(root)
            verdict = Verdict(champion=rival.id).after(Findings(notes=rival.notes))

            def settle(found: Findings) -> None:
                nonlocal verdict
                verdict = verdict.after(found)
                if not verdict.passed and not force:
                    raise Held(held(plain(verdict)), plain(verdict))

            if gate:
                with stage("gate: data", report) as note:
                    found = supply(history, now, gate)
                    note(f"{len(found.checks)} checks")
                settle(found)
                if rival.id:
                    settle(_replayed(history, recipe, rival, gate, policy, earlier, report))
            made = learner(
                history,
                recipe,
                now,
                policy,
                mark=dataclasses.asdict(known.mark),
                parent=next(iter(shelf.history(root)), ""),
                corrections=corrections,
                earlier=earlier,
                report=report,
            )
            there = {path.name for path in root.iterdir()}
            with stage("write and probe", report) as note:
                bundle = _write(made, root)
                note(f"{sum(file.bytes for file in bundle.manifest.files.values()):,} bytes")
            try:
                probe(bundle)
                if gate:
                    if rival.id:
                        settle(growth(bundle.manifest, rival.stated, gate))
                    if not bundle.manifest.verdict:  # the same bundle was judged when it was new
                        told = plain(verdict.over(by, why))
                        stated = shelf.judge(root, bundle.id, told)
                        bundle = dataclasses.replace(bundle, manifest=stated)
                before_publish()
            except BaseException:
                if bundle.id not in there:  # the same bundle may be what an arm shows
                    shelf.discard(root, bundle.id)
                raise
            shelf.publish(root, bundle.id)
            shelf.prune(root, keep, spare)
    except Timeout as error:
        raise Busy(f"another process is training into {root}; wait for it to end") from error
    log.info("published", bundle=bundle.id, seconds=round(time.perf_counter() - start, 2))
    return bundle


def probe(bundle: Bundle) -> None:
    """Raise ``BundleCorrupt`` where a bundle holds what no engine could serve from."""
    articles = len(bundle.catalogue)
    for name, array in {
        "vectors": bundle.vectors,
        "related_scores": bundle.related_scores,
        "cold_map": bundle.cold_map,
        "factors.visitors": bundle.factors.visitors,
        "factors.articles": bundle.factors.articles,
        "factors.gram": bundle.factors.gram,
        "tone.weights": bundle.tone.weights,
    }.items():
        if not np.isfinite(array).all():
            raise BundleCorrupt(f"bundle {bundle.id}: {name} holds a value that is not a number")
    for name, rows in {
        "related": bundle.related,
        "reads.rows": bundle.reads.rows,
        "story": bundle.catalogue.story,
    }.items():
        if len(rows) and not (rows.min() >= -1 and rows.max() < articles):
            raise BundleCorrupt(f"bundle {bundle.id}: {name} points outside of {articles} articles")
    if len(bundle.judged) != articles or not np.isin(bundle.judged, range(len(TONES))).all():
        raise BundleCorrupt(f"bundle {bundle.id}: judged does not hold a tone for each article")
    if len(bundle.vectors):
        bundle.index.search(bundle.vectors[:1], 10)
        bundle.embedder.embed(["a text"])
        bundle.tone.judge(["a text"])


def _replayed(
    history: History,
    recipe: Recipe,
    rival: Champion,
    gate: Gate,
    policy: Policy | None,
    earlier: list[Bundle],
    report: Report,
) -> Findings:
    """Replay both recipes, and add the challenger's bundle to the ``earlier`` ones."""
    found = rivals(
        history,
        recipe,
        rival.recipe,
        gate,
        policy or Policy(),
        earlier=earlier,
        keep=earlier.append,
        report=report,
    )
    if rival.recipe and rival.stated.code_version != code_version():
        note = (
            f"The code is {code_version()}, that of the bundle in service"
            f" {rival.stated.code_version}: what that changes cannot be replayed, as this one"
            " followed both recipes."
        )
        return dataclasses.replace(found, notes=(*found.notes, note))
    return found


def _earlier(root: Path) -> list[Bundle]:
    """Return the bundles that were current, as far as they can be read."""
    found = []
    for id in shelf.history(root):
        with suppress(BundleError):
            found.append(open_bundle(shelf.folder(root, id)))
    return found


def _write(made: Bundle, root: Path) -> Bundle:
    try:
        return open_bundle(write(made, root))
    except (OSError, RuntimeError) as error:  # FAISS reports a full disk as RuntimeError
        raise BundleError(
            f"the bundle could not be written into {root}: {error}; nothing has changed"
        ) from error


def _logged(report: Report) -> Report:
    def both(step: Stage) -> None:
        if step.done:
            seconds = round(step.seconds, 3)
            log.debug("stage", name=step.name, seconds=seconds, result=step.result)
        report(step)

    return both
