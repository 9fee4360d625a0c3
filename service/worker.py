"""Has workers take connections in turn: else one may hold nearly all, and one core does all.

Whoever listens beside others is woken together with them, and the first to wake takes what there
is. Where connections are kept, as a load balancer keeps them, that lasts: of 64, one worker of two
was seen with 60.
"""

import mmap
import time

from gunicorn.workers.gthread import ThreadWorker

PAUSE = 0.002
"""Seconds that a worker leaves a connection to those that have fewer; then it takes it itself."""
_HELD = memoryview(mmap.mmap(-1, 4 * 256)).cast("i")
"""Connections of each worker and one, 0 where there is none; shared by all workers of a run."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker that looks at what the others hold before it takes more."""

    def accept(self, listener: object) -> None:
        """Take a connection, unless somebody who has fewer does so at once."""
        mine = _place(self.age)
        others = [held - 1 for place, held in enumerate(_HELD) if held and place != mine]
        if others and self.nr_conns > min(others):
            time.sleep(PAUSE)
        super().accept(listener)
        _HELD[mine] = self.nr_conns + 1

    def notify(self) -> None:
        """Say that it lives, which it does at each turn, and what it holds."""
        _HELD[_place(self.age)] = self.nr_conns + 1
        super().notify()


def left(age: int) -> None:
    """Forget a worker that is gone, by its number."""
    _HELD[_place(age)] = 0


def _place(age: int) -> int:
    return age % len(_HELD)
