"""Tells whether it is time again, whatever becomes of the clock meanwhile."""


def passed(since: int, seconds: int, now: int) -> bool:
    """Return whether ``seconds`` have passed from ``since`` to ``now`` (UTC seconds).

    A clock that was set back counts as passed: nothing must wait until it is so late once more.
    """
    return not since <= now < since + seconds
