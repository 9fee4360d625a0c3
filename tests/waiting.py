"""Waits in tests for what other processes do."""

import time
from collections.abc import Callable
from typing import Any


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to become true and return it; what is false yet where it does not."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return found


def awaited(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to become true and return it; fails where it does not."""
    found = until(true, seconds)
    assert found
    return found
