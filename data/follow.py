"""Brings an engine's live state up to date with the store, and keeps it so."""

import dataclasses
from collections.abc import Callable

from data.pulse import newest_event
from data.store import Mark, Store
from recsys.live import Live
from recsys.types import NEVER


class Follower:
    """Feeds one live state whatever comes into the store after a mark.

    The mark moves on before each event is counted: after a failure halfway, the next turn goes on
    with the next event, so none ever counts twice.
    """

    def __init__(
        self, store: Store, live: Live, mark: Mark, clock: Callable[[], float] | None = None
    ) -> None:
        self._store = store
        self._live = live
        self._clock = clock
        """With it, what will have happened is taken for what happens now: a clock was set back."""
        self.mark = mark
        self.newest = 0
        """When the newest event happened that the store is known to hold, UTC seconds."""

    @classmethod
    def begin(
        cls, store: Store, live: Live, clock: Callable[[], float] | None = None
    ) -> "Follower":
        """Feed a live state that knows only its bundle all that the store knows beyond it.

        A bundle holds what was published when it was made; what was only scheduled then comes
        first. Raises ``DataError`` where the store fails.
        """
        bundle = live.bundle.manifest
        live.add(store.scheduled(bundle.data_until))
        follower = cls(store, live, Mark(**bundle.mark), clock)
        follower.newest = newest_event(store)
        follower.catch_up()
        return follower

    def catch_up(self) -> None:
        """Feed everything that the store has after the mark.

        Raises ``DataError`` where the store fails; what was fed by then stays.
        """
        while True:
            changes = self._store.changes(self.mark)
            if changes.mark == self.mark:
                return
            self._live.add(changes.articles)
            self._live.withdraw(changes.withdrawn)
            self.mark = dataclasses.replace(
                self.mark, article_revision=changes.mark.article_revision
            )
            now = int(self._clock()) if self._clock else NEVER
            for seq, event in changes.events:
                if event.at > now:
                    event = dataclasses.replace(event, at=now)
                self.mark = Mark(self.mark.article_revision, seq, self.mark.erasure_seq)
                self.newest = max(self.newest, event.at)
                self._live.observe([event])
            # After the events: what an erased reader did before must not bring them back.
            self._live.forget(changes.erased)
            self.mark = changes.mark
