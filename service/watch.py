"""Goes back from a bundle on its own when readers receive it worse than the one before.

One worker of all, on whatever machine, asks the store how cards are clicked: it holds the lease
``watch``. How full answers are is known only where they are made, so every worker looks at its own.
Whoever finds a fall moves the pointer, and only if it still names the bundle that was found bad:
meanwhile a person may have acted, or another worker. A bundle that was gone back to is not watched:
the way leads one step back, never further, until something new is published.
"""

import dataclasses
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from data import audit, depot, leases, reception
from data.alerts import alert
from data.audit import Actor
from data.leases import Lease
from data.store import Store
from recsys import manifest, shelf
from recsys.errors import BundleError, Busy, reason_of
from service import falls, metrics
from service.falls import Fall
from service.settings import Settings

if TYPE_CHECKING:
    from service.holder import Holder

LEASE, TURN = "watch", "watch.rollback"
"""Leases: of the one who asks the store, and of the one who moves the pointer."""
ACTOR = Actor("watch")
SHARE = 0.05
"""Of one core that questions to the store may take: the longer they take, the rarer they are."""
log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """A bundle that has been published lately, and the one that was current before."""

    new: str
    old: str
    since: int
    """When the pointer moved, UTC seconds."""


class Watcher:
    """Looks again and again, in a thread of its own, whether a new bundle does its work."""

    def __init__(self, settings: Settings, holder: "Holder") -> None:
        self._settings = settings
        self._holder = holder
        self.lease: Lease | None = None
        """Of the one worker that asks the store; None where another does."""
        self._rest = 0.0
        """Until when the store is not asked, on the monotonic clock."""
        self._said = ""
        self._stop = threading.Event()

    def start(self) -> None:
        """Look from now on, in a thread; does nothing where ``[watch] enabled`` is false."""
        if self._settings.watch.enabled:
            threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread at its next turn."""
        self._stop.set()

    def look(self, now: int) -> str:
        """Look once; return the bundle that was gone back from, empty where none was."""
        watched = self.watched(now)
        if watched is None:
            return ""
        fall = self._fill(watched) or self._clicks(watched, now)
        return watched.new if fall and self._go_back(watched, fall, now) else ""

    def watched(self, now: int) -> Watched | None:
        """Return what is watched now: what was published, not gone back to, lately."""
        settings = self._settings
        pointer = shelf.pointer(settings.bundles)
        before = depot.earlier(settings.bundles, settings.depot.url)
        if pointer.left or not before or pointer.ids[0] != self._holder.state.bundle:
            return None
        since = int((settings.bundles / "current").stat().st_mtime)
        if now > since + settings.watch.hours * 3600:
            return None
        return Watched(pointer.ids[0], before[0], since)

    def _run(self) -> None:
        while not self._stop.wait(self._settings.watch.seconds):
            try:
                self.look(int(time.time()))
                self._said = ""
            except Exception as error:
                metrics.REFRESH_FAILURES.labels("watch").inc()
                said = reason_of(error)
                if said != self._said:  # a lasting failure is one line, not one a look
                    log.error("watch failed", exc_info=error)
                self._said = said
        if self.lease:
            self.lease.release()

    def _fill(self, watched: Watched) -> Fall | None:
        """Judge by what this worker has answered itself."""
        watch, fills = self._settings.watch, self._holder.fills
        new, old = fills.of(watched.new), fills.of(watched.old)
        return falls.of_fill(new, old, watch.answers, watch.fill_drop)

    def _clicks(self, watched: Watched, now: int) -> Fall | None:
        """Judge by all that readers did, where it is this worker's turn to ask for it."""
        if not self._leads() or time.monotonic() < self._rest:
            return None
        began = time.monotonic()
        try:
            return self._asked(watched, now)
        finally:  # also where the store gave up
            ended = time.monotonic()
            self._rest = ended + (ended - began) * (1 / SHARE - 1)

    def _asked(self, watched: Watched, now: int) -> Fall | None:
        watch, root, store = self._settings.watch, self._settings.bundles, self._holder.store
        settled = int(now - watch.settle)
        first = max(int(watched.since - watch.back * 3600), _created(root, watched.old))
        span = min(watched.since, _created(root, watched.new) or watched.since), now + 1, settled
        new = reception.cells(store, watched.new, *span)
        old = reception.cells(store, watched.old, first, now + 1, settled)
        pages, places, before = falls.compared(new, old)
        if min(sum(page.many for page in pages.values()), before) < watch.impressions:
            return None
        sums = reception.spread(store, watched.new, *span, places)
        network = len({page for page, *_ in old}) > 1
        return falls.of_clicks(pages, before, sums, watch.impressions, watch.click_drop, network)

    def _leads(self) -> bool:
        """Return whether this is the one worker that asks the store."""
        if self.lease is None or not self.lease.renew():
            self.lease = leases.acquire(self._holder.store, LEASE)
        return self.lease is not None

    def _go_back(self, watched: Watched, fall: Fall, now: int) -> bool:
        """Make the bundle before current again and tell everybody; False: somebody was faster."""
        settings, store = self._settings, self._holder.store
        try:
            # It also proves that the store can be written, so that this can be written down.
            with leases.held(store, TURN, heartbeat=False):
                back = depot.rollback(
                    settings.bundles,
                    settings.depot.url,
                    watched.new,
                    settings.spared,
                )
                _write_down(store, watched.new, back, fall, now)
        except Busy as error:
            log.info("bundle not rolled back", bundle=watched.new, reason=str(error))
            return False
        metrics.ROLLBACKS.labels(fall.reason).inc()
        self._holder.nudge()
        told = told_of(watched.new, back, fall)
        figures = dataclasses.asdict(fall)
        log.warning("bundle rolled back", left=watched.new, bundle=back, said=told, **figures)
        alert(
            settings.alerts,
            "bundle.rolled_back",
            watched.new,
            told,
            at=now,
            detail={"bundle": back, "left": watched.new, **figures},
        )
        return True


def told_of(left: str, back: str, fall: Fall) -> str:
    """Return what happened as a sentence for people."""
    what, many = {
        "clicks": ("click rate", "cards"),
        "fill": ("share of slots filled", "answers"),
    }[fall.reason]
    return (
        f"bundle {left} was rolled back to {back}: its {what} is {fall.rate:.2%} (at most"
        f" {fall.high:.2%}) over {fall.many:,} {many}, where the bundle before it made"
        f" {fall.expected:.2%} of the same places and hours; the bound is {fall.bound:.2%}"
    )


def _write_down(store: Store, left: str, back: str, fall: Fall, now: int) -> None:
    detail: dict[str, Any] = {"left": left, **dataclasses.asdict(fall)}
    with store.writing() as connection:
        audit.record(connection, ACTOR, "bundle.rollback", back, now, **detail)


def _created(root: Path, id: str) -> int:
    """Return when a bundle was made, 0 where it is not here."""
    try:
        return manifest.read(shelf.folder(root, id)).created
    except BundleError:
        return 0
