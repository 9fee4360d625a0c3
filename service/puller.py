"""Follows the depot, apart from all else: a bundle may take minutes to arrive."""

import threading
from collections.abc import Callable

import structlog

from data import depot
from recsys import shelf
from recsys.errors import Busy, reason_of
from service import metrics
from service.settings import Settings

PAUSE, RETRY = 3.0, 30.0
"""Seconds between two looks at the depot's pointer, and after one that failed."""
log = structlog.get_logger()


class Puller:
    """Has every worker look at the depot; whichever is first fetches for all of this machine."""

    def __init__(self, settings: Settings, arrived: Callable[[], None]) -> None:
        self.error = ""
        """Why the depot could not be followed last, empty where it was."""
        self.first = bool(settings.depot.url) and not shelf.history(settings.bundles)
        """Whether the first bundle ever of this machine may be on its way."""
        self._settings = settings
        self._arrived = arrived
        self._stop = threading.Event()

    def start(self) -> None:
        """Look from now on, in a thread; does nothing without a depot."""
        if self._settings.depot.url:
            threading.Thread(target=self._run, name="depot", daemon=True).start()

    def stop(self) -> None:
        """End the thread at its next turn."""
        self._stop.set()

    def look(self) -> bool:
        """Take over what is current in the depot; return whether it could be asked."""
        settings = self._settings
        before = shelf.history(settings.bundles)[:1]
        try:
            now = depot.pull(settings.depot.url, settings.bundles, settings.spared)
        except Busy:  # another worker fetches: the first bundle is on its way still
            self.first &= not before
            return True
        except Exception as error:
            metrics.REFRESH_FAILURES.labels("depot").inc()
            reason = reason_of(error)
            if reason != self.error:  # a lasting failure is one line, not one a look
                log.error("depot not followed", reason=reason)
            self.error, self.first = reason, False
            return False
        self.error, self.first = "", False
        if before != [now]:
            self._arrived()
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(PAUSE if self.look() else RETRY)
