"""Draws numbers as small SVG pictures in the page's own colours, each told in words too."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

WIDTH, HEIGHT = 640, 220
"""Of a line chart, in the units of its view box; letters are sized to be read on a phone."""
LEFT, BOTTOM, TOP, RIGHT = 80, 28, 12, 10
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
SPAN_WIDTH, SPAN_HEIGHT = 160, 16
DATES = 6
"""Most dates under a line chart."""
_SVG = Markup(
    '<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{said}"'
    ' focusable="false">{drawn}</svg>'
)
_MUTE = Markup(
    '<svg class="{kind}" viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">'
    "{drawn}</svg>"
)


def sparkline(counts: Sequence[int], said: str) -> Markup:
    """Return counts, oldest first, as a line with a dot at its end; ``said`` is its text."""
    top = max(max(counts, default=0), 1)
    step = SPARK_WIDTH - 6
    places = [
        (3 + step * at / max(len(counts) - 1, 1), SPARK_HEIGHT - 3 - (SPARK_HEIGHT - 6) * n / top)
        for at, n in enumerate(counts)
    ]
    drawn = Markup("")
    if places:
        x, y = places[-1]
        drawn = Markup('<polyline class="drawn" points="{}"/><circle class="end" {}/>').format(
            _points(places), Markup('cx="{}" cy="{}" r="2.5"').format(_n(x), _n(y))
        )
    return _SVG.format(kind="spark", width=SPARK_WIDTH, height=SPARK_HEIGHT, said=said, drawn=drawn)


def span(value: float, low: float, high: float, top: float, *, faint: bool = False) -> Markup:
    """Return a bar from 0 to ``value`` with its interval, on a scale up to ``top``.

    It stands in a table beside its numbers, so it says nothing by itself. ``faint`` is for what is
    too little to go by.
    """
    scale = (SPAN_WIDTH - 4) / (top or 1.0)
    at, start, end = (2 + scale * min(max(one, 0.0), top) for one in (value, low, high))
    drawn = Markup(
        '<rect class="bar" x="2" y="3" width="{}" height="10"/>'
        '<path class="whisker" d="M{} 8H{}M{} 5V11M{} 5V11"/>'
    ).format(_n(max(at - 2, 0.5)), _n(start), _n(end), _n(start), _n(end))
    kind = "span faint" if faint else "span"
    return _MUTE.format(kind=kind, width=SPAN_WIDTH, height=SPAN_HEIGHT, drawn=drawn)


def line(
    at: Sequence[int],
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    step: int,
    said: str,
    top: float = 0.0,
    within: tuple[int, int] | None = None,
) -> Markup:
    """Return shares over time as a line in the band of its interval; ``said`` tells what it is.

    The scale ends at ``top`` and the times are those ``within``, or both as far as its own values
    go. Times are UTC seconds, ``step`` apart where nothing is missing: where something is, the line
    breaks. Percentages stand at the side and dates below.
    """
    if not at:
        return Markup("")
    first, last = within or (min(at), max(at))
    top = top or ceiling(max(high))
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(when: int, share: float) -> tuple[float, float]:
        x = LEFT + (wide * (when - first) / (last - first) if last > first else wide / 2)
        return x, TOP + tall * (1 - min(share, top) / top)

    drawn = [_scale(top, place(first, 0)[1], place(first, top)[1])]
    every = math.ceil(((last - first) // step + 1) / DATES) * step
    for when in range(first, last + 1, every):
        x, _ = place(when, 0)
        anchor = "start" if when == first else "end" if when == last else "middle"
        drawn.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _n(x if last > first else LEFT), HEIGHT - 8, anchor, date(when, step)
            )
        )
    for piece in _pieces(at, step):
        lower = [place(at[i], low[i]) for i in piece]
        upper = [place(at[i], high[i]) for i in piece]
        middle = [place(at[i], values[i]) for i in piece]
        if len(piece) > 1:
            band = _points([*upper, *reversed(lower)])
            drawn.append(Markup('<polygon class="band" points="{}"/>').format(band))
            drawn.append(Markup('<polyline class="drawn" points="{}"/>').format(_points(middle)))
        else:
            path = f"M{_n(lower[0][0])} {_n(lower[0][1])}V{_n(upper[0][1])}"
            drawn.append(Markup('<path class="whisker" d="{}"/>').format(path))
        drawn.extend(
            Markup('<circle class="end" cx="{}" cy="{}" r="3"/>').format(_n(x), _n(y))
            for x, y in middle
        )
    return _SVG.format(
        kind="line", width=WIDTH, height=HEIGHT, said=said, drawn=Markup("").join(drawn)
    )


def ceiling(highest: float) -> float:
    """Return a round share that a scale may end with, at or above ``highest``."""
    if highest <= 0:
        return 0.01
    power = 10.0 ** math.floor(math.log10(highest))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return min(next(step * power for step in steps if step * power >= highest * 0.999999), 1.0)


def percent(share: float) -> str:
    """Return a share as people write it, with as many digits as tell small ones apart."""
    value = 100 * share
    if 0 < value < 0.01:
        return "<0.01\u00a0%"
    digits = 0 if value >= 99.95 or value == 0 else 1 if value >= 1 else 2
    return f"{value:.{digits}f}\u00a0%"


def date(at: int, step: int) -> str:
    """Return the name of a time (UTC seconds) among others that are ``step`` seconds apart."""
    return f"{datetime.fromtimestamp(at, UTC):{'%-d %b' if step >= 86_400 else '%-d %b, %H:%M'}}"


def _scale(top: float, bottom: float, ceiling: float) -> Markup:
    """Return the lines of 0, of half the scale and of its end, with their percentages."""
    lines = []
    for share in (0.0, top / 2, top):
        y = bottom + (ceiling - bottom) * share / top
        lines.append(
            Markup(
                '<path class="grid" d="M{} {}H{}"/>'
                '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(LEFT, _n(y), WIDTH - RIGHT, LEFT - 6, _n(y + 4), percent(share))
        )
    return Markup("").join(lines)


def _pieces(at: Sequence[int], step: int) -> list[list[int]]:
    """Return the places of times in stretches without a gap."""
    pieces: list[list[int]] = []
    for place, when in enumerate(at):
        if place and when - at[place - 1] <= step:
            pieces[-1].append(place)
        else:
            pieces.append([place])
    return pieces


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in places)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
