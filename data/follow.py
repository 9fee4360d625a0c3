"""Brings an engine's live state up to date with the store."""

from data.store import Mark, Store
from recsys.live import Live


def begin(store: Store, live: Live) -> Mark:
    """Feed a live state that knows only its bundle all that the store knows beyond it.

    A bundle holds what was published when it was made; what was only scheduled then comes first.
    """
    bundle = live.bundle.manifest
    live.add(store.scheduled(bundle.data_until))
    return catch_up(store, live, Mark(**bundle.mark))


def catch_up(store: Store, live: Live, mark: Mark) -> Mark:
    """Feed ``live`` everything that the store has after ``mark``, and return the new mark.

    Raises ``DataError`` where the store fails; what was fed by then stays, and the same mark may be
    used again.
    """
    while True:
        changes = store.changes(mark)
        if changes.mark == mark:
            return mark
        live.add(changes.articles)
        live.withdraw(changes.withdrawn)
        live.observe(changes.events)
        mark = changes.mark
