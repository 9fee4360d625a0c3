"""Bounds what one sender may do, in bounded memory: anybody may invent addresses."""

import functools
import ipaddress
import threading
import time
from collections.abc import Callable

import crawleruseragents
from cachetools import TTLCache
from flask import request

from service.settings import Limits


class Window:
    """Counts what each name does in fixed windows of time; the least recent names are forgotten."""

    def __init__(
        self, allowed: int, seconds: float, names: int, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._counts: TTLCache[str, list[int]] = TTLCache(names, seconds, timer)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, name: str, n: int = 1) -> bool:
        """Count ``n`` more for a name; returns whether it is still within what is allowed."""
        with self._lock:
            count = self._counts.get(name)
            if count is None:
                # The list keeps its place: its window ends ``seconds`` after it began.
                count = self._counts[name] = [0]
            count[0] += n
            return count[0] <= self._allowed


class Gate:
    """The limits of one worker."""

    def __init__(self, limits: Limits, *, local: bool = False) -> None:
        self._limits = limits
        self._local = local
        self.addresses = Window(limits.events_per_minute, 60, limits.remembered)
        self.keys = Window(limits.key_events_per_minute, 60, limits.remembered)
        self.openings = Window(limits.openings, 600, limits.remembered)

    def admits(self, key: str, events: int) -> bool:
        """Return whether the sender of this request may send so many more events this minute."""
        if key:
            return self.keys.take(key, events)
        return self._exempt() or self.addresses.take(address(), events)

    def opens(self, article: str) -> bool:
        """Return whether the address of this request may open an article once more."""
        return self._exempt() or self.openings.take(f"{address()} {article}")

    def _exempt(self) -> bool:
        # A simulated audience lives at one address: that of the machine with the demo.
        return self._local and ipaddress.ip_address(address().split("/")[0]).is_loopback


def address() -> str:
    """Return where the request comes from; of IPv6 the network that one household has."""
    try:
        found = ipaddress.ip_address(request.remote_addr or "::")
    except ValueError:
        return "::"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address) + "/64"


@functools.lru_cache(4096)
def is_bot(user_agent: str) -> bool:
    """Return whether a browser calls itself a crawler; one without a name is taken for one."""
    return not user_agent or bool(crawleruseragents.is_crawler(user_agent))
