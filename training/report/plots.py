"""Draws small panels as SVG whose colours and letters are the page's own."""

import html
import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsys.arrays import Float64

WIDTH = 320
"""Of every panel, in the page's pixels where it is shown at its own size: it fits a phone."""
LETTERS = 25
"""Longest name of a row, in letters of which a Chinese or Japanese one counts two."""
INK, QUIET, LINE = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606")
MARKS = ("o", "s", "^")
COLOURS = {
    INK: "currentColor",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    SERIES[0]: "var(--first)",
    SERIES[1]: "var(--second)",
    SERIES[2]: "var(--third)",
}
"""What is drawn in colours that nobody would choose is written in those of the style sheet."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recsys",
    "text.parse_math": False,
    "font.size": 11.0,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": QUIET,
    "axes.labelsize": 11.0,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "ytick.left": False,
    "xtick.bottom": False,
}
_NOTHING: Float64 = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What one system did: f64[N] each, NaN where it is not known, bounds empty where none are."""

    name: str
    y: Float64
    low: Float64 = field(default_factory=lambda: _NOTHING)
    high: Float64 = field(default_factory=lambda: _NOTHING)
    x: Float64 = field(default_factory=lambda: _NOTHING)


def dots(
    rows: Sequence[str],
    series: Sequence[Series],
    label: str,
    *,
    zero: bool = False,
    strong: int | None = None,
) -> str:
    """Draw a row for each name of ``rows`` and in it a dot with whiskers for each of ``series``.

    ``zero`` draws the line at which nothing differs. The first row is on top. Of a single series
    the row ``strong`` stands out.
    """
    step = 18 if len(series) == 1 else 8 + 8 * len(series)
    with _panel(60 + step * len(rows)) as (figure, axes):
        places = np.arange(len(rows), dtype=np.float64)
        for at, (one, colour, mark) in enumerate(zip(series, SERIES, MARKS, strict=False)):
            shift = (at - (len(series) - 1) / 2) * (8 / step)
            apart = strong is not None and len(series) == 1
            colours = [colour if not apart or row == strong else QUIET for row in range(len(rows))]
            if len(one.low):
                axes.hlines(places + shift, one.low, one.high, color=colours, linewidth=1.6)
            for place, y, of_row in zip(places + shift, one.y, colours, strict=True):
                axes.plot(y, place, mark, color=of_row, markersize=4.8)
        if zero:
            axes.axvline(0.0, color=QUIET, linewidth=1.0)
        axes.set_yticks(places, [_measured(shortened(row)) for row in rows])
        if strong is not None:
            axes.get_yticklabels()[strong].set_fontweight("bold")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.margins(x=0.06)
        widest = max(sum(map(_width, shortened(row))) for row in rows)
        axes.xaxis.set_major_locator(MaxNLocator(2 if widest > 18 else 3 if widest > 12 else 4))
        axes.set_xlabel(label)
        return _written(figure)


def lines(
    series: Sequence[Series],
    labels: tuple[str, str],
    *,
    parts: Sequence[str] = (),
    diagonal: bool = False,
) -> str:
    """Draw each of ``series`` as a line in a band from ``low`` to ``high``.

    ``labels`` are of x and y. ``parts`` names the places on x where it counts no quantity.
    ``diagonal`` draws the line on which x and y are equal.
    """
    with _panel(230) as (figure, axes):
        axes.grid(axis="y")
        if diagonal:
            ends = [float(np.nanmax([*one.x, *one.y])) for one in series if len(one.x)]
            axes.plot([0, max(ends)], [0, max(ends)], "--", color=QUIET, linewidth=1.0)
        for one, colour, mark in zip(series, SERIES, MARKS, strict=False):
            x = one.x if len(one.x) else np.arange(len(one.y), dtype=np.float64)
            if len(one.low):
                axes.fill_between(x, one.low, one.high, color=colour, alpha=0.14, linewidth=0)
            axes.plot(x, one.y, color=colour, linewidth=1.6, marker=mark, markersize=4)
        if parts:
            thin = math.ceil(len(parts) / 7)
            places = range(0, len(parts), thin)
            axes.set_xticks(list(places), [shortened(parts[place], 10) for place in places])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=not diagonal))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        return _written(figure)


def scatter(
    names: Sequence[str], x: Float64, y: Float64, labels: tuple[str, str], *, strong: int = 0
) -> str:
    """Draw a dot for each of ``names``, and names where there is room; ``strong`` stands out."""
    with _panel(270) as (figure, axes):
        axes.grid(axis="both")
        others = np.delete(np.arange(len(names)), strong)
        axes.plot(x[others], y[others], "o", color=QUIET, markersize=4.6)
        axes.plot(x[strong], y[strong], "o", color=SERIES[0], markersize=7)
        axes.margins(0.12)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        _name(axes, [shortened(name) for name in names], x, y, strong)
        return _written(figure)


def accessible(svg: str, id: str, title: str, description: str) -> str:
    """Return ``svg`` with a name and a description, its ids made its own by ``id``."""
    svg = re.sub(r'\bid="', f'id="{id}-', svg)
    svg = svg.replace('href="#', f'href="#{id}-').replace("url(#", f"url(#{id}-")
    said = (
        f'<title id="{id}-title">{html.escape(title)}</title>'
        f'<desc id="{id}-desc">{html.escape(description)}</desc>'
    )
    opening = f'<svg role="img" aria-labelledby="{id}-title" aria-describedby="{id}-desc"'
    return re.sub("<svg([^>]*)>", lambda found: f"{opening}{found[1]}>{said}", svg, count=1)


def shortened(name: str, letters: int = LETTERS) -> str:
    """Return a name that fits beside a row, without what cannot be printed."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if sum(map(_width, name)) <= letters:
        return name
    widths = np.cumsum([_width(letter) for letter in name])
    return f"{name[: int(np.searchsorted(widths, letters - 1, side='right'))].rstrip()}…"


def _width(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _measured(name: str) -> str:
    """Return a name with spaces before it, which a page drops, to measure as wide as it will be.

    Matplotlib's own font has no Chinese or Japanese letters, and takes them to be narrow.
    """
    return " " * (4 * sum(_width(letter) - 1 for letter in name) // 3) + name


@contextmanager
def _panel(height: float) -> Iterator[tuple[Figure, Axes]]:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Letters that matplotlib's own font lacks are only measured by it, and drawn by the page's.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure = Figure((WIDTH / 72, height / 72), dpi=72, layout="constrained")
        FigureCanvasSVG(figure)
        figure.set_facecolor("none")
        figure.get_layout_engine().set(w_pad=4 / 72, h_pad=4 / 72)  # type: ignore[union-attr]
        yield figure, figure.add_subplot()


def _name(axes: Axes, names: Sequence[str], x: Float64, y: Float64, strong: int) -> None:
    """Write names beside their dots, those first that matter most, none over another."""
    places = axes.transData.transform(np.stack([x, y], axis=1))
    frame = axes.get_window_extent()
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in places]
    order = [strong, *(int(i) for i in np.argsort(-y, kind="stable") if i != strong)]
    for i in order:
        wide, tall = 6.2 * sum(map(_width, names[i])), 12.0
        px, py = places[i]
        choices = {
            (7.0, -3.5, "left"): (px + 6, py - 5),
            (-7.0, -3.5, "right"): (px - 6 - wide, py - 5),
            (0.0, 7.0, "center"): (px - wide / 2, py + 5),
            (0.0, -14.5, "center"): (px - wide / 2, py - 16),
        }
        for (dx, dy, align), (left, below) in choices.items():
            box = left, below, left + wide, below + tall
            inside = frame.x0 <= box[0] and box[2] <= frame.x1 + 4 and frame.y0 <= box[1]
            others = (t for j, t in enumerate(taken) if j != i)
            if inside and not any(_overlap(box, other) for other in others):
                taken.append(box)
                axes.annotate(
                    names[i],
                    (x[i], y[i]),
                    (dx, dy),
                    textcoords="offset points",
                    ha=align,
                    fontsize=10.5,
                    fontweight="bold" if i == strong else "normal",
                    annotation_clip=False,
                )
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _written(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'(font-family: [^;"]*(; )?)|( xmlns(:xlink)?="[^"]*")', "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", svg)
    svg = re.sub(r"\n\s*", " ", svg)
    for drawn, written in COLOURS.items():
        svg = svg.replace(drawn, written)
    return svg.strip()
