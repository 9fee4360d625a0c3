"""Replays the last days to see what the engine was worth, for a schedule: one page each time."""

import dataclasses
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.store import Store
from recsys import shelf
from recsys.errors import DataError
from recsys.history import History
from recsys.policy import Policy
from recsys.splits import windows
from training.evaluate import Plan, askable, evaluate
from training.learn import learn_as_served
from training.recipe import Recipe
from training.report.page import page
from training.report.verdicts import summary
from training.systems import SYSTEMS
from training.timetable import Reports

DAY = 86_400


def review(
    store: Store,
    folder: Path,
    recipe: Recipe,
    policy: Policy,
    now: int,
    settings: Reports,
    data: str = "",
) -> tuple[str, dict[str, Any]]:
    """Replay the last days before ``now`` through the engine and the baselines, and write a page.

    It goes into ``folder`` as TIME.html, with TIME.json of what was found beside it, and the oldest
    go. Returns what came out, as a sentence and as figures; without events nothing is written.
    ``data`` names the store to people. Only for the holder of the job's lease: what a killed run
    left in ``folder`` is removed. Raises ``DataError`` where the store or the disk fails.
    """
    with _aside(folder) as aside:
        known = store.snapshot(now)
        if len(known.interactions) < 2:
            return "there is nothing to replay yet", {}
        history = History(known.articles, known.visitors, known.interactions)
        first, last = int(known.interactions.at[0]), int(known.interactions.at[-1])
        # Of a young network half is learned from.
        cut = max(last + 1 - int(settings.days * DAY), (first + last + 1) // 2)
        if cut <= first:
            return "there is nothing to replay yet", {}
        plan = Plan(
            windows=windows("one cut", cut, last + 1),
            tasks=tuple(askable(history, cut, last + 1)),
            systems=tuple(name for name, s in SYSTEMS.items() if s.kind in ("engine", "baseline")),
            questions=settings.questions,
        )
        found = evaluate(
            history,
            lambda past, at: learn_as_served(past, recipe, at, policy, folder=aside),
            policy,
            plan,
            data=data,
            recipe=dataclasses.asdict(recipe),
        )
        found = dataclasses.replace(found, command="recsys job report")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        for suffix, content in ((".json", found.dump()), (".html", page(found).encode())):
            half = aside / f"{stamp}{suffix}"
            half.write_bytes(content)
            shelf.sync(half)
            half.replace(folder / half.name)
        shelf.sync(folder)
        old = reports(folder)[settings.keep :] if settings.keep else []
        for path in old:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
        told = {"report": str(folder / f"{stamp}.html"), "cut": cut, "end": last + 1}
        return summary(found), told | {"asked": {a.task: a.questions for a in found.asked}}


def reports(folder: Path) -> list[Path]:
    """Return the pages in a directory, the newest first."""
    return sorted(folder.glob("[0-9]*Z.html"), reverse=True)


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """Provide a directory in ``folder`` that is gone afterwards, at the latest in the next run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shelf.clean(folder)
        aside = folder / f"{shelf.ASIDE}{secrets.token_hex(4)}"
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise DataError(f"no report in {folder}: {error.strerror or error}") from error
