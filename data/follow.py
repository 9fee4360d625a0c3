"""Brings an engine's live state up to date with the store."""

from data.store import Mark, Store
from recsys.live import Live


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
