"""Times variants by turns, and tells of every benchmark in one form: machine, table, ratio.

A benchmark is a command: ``parser`` gives it ``--record``, by which its table takes the place of
the last one of the same name in RESULTS.md, with date, machine and the command that made it.
"""

import argparse
import gc
import os
import platform
import re
import resource
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np

Variant = TypeVar("Variant")
RESULTS = Path(__file__).with_name("RESULTS.md")


def parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser that shows a benchmark's docstring, and knows ``--record``."""
    known = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known.add_argument("--record", action="store_true", help="keep the table in RESULTS.md")
    return known


def machine() -> str:
    """Return one line on what this runs on."""
    cpu = platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def by_turns(
    variants: Mapping[str, Callable[[], object]], repeats: int, warm: int = 1
) -> dict[str, np.ndarray]:
    """Return f64[repeats] wall seconds of each variant.

    Each round runs every variant once, in an order that turns, so that whatever else the machine
    does meets all alike; the first ``warm`` rounds do not count.
    """
    names = list(variants)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warm + repeats):
        for name in turned(names, turn):
            gc.collect()
            began = time.perf_counter()
            variants[name]()
            seconds = time.perf_counter() - began
            if turn >= warm:
                taken[name].append(seconds)
    return {name: np.array(seconds) for name, seconds in taken.items()}


def turned(variants: Sequence[Variant], turn: int) -> list[Variant]:
    """Return variants in the order of a round: each round begins with another one."""
    at = turn % len(variants)
    return [*variants[at:], *variants[:at]]


def ratios(ours: Sequence[float], reference: Sequence[float]) -> np.ndarray:
    """Return f64[n]: ``ours / reference``, pair by pair."""
    return np.asarray(ours, float) / np.asarray(reference, float)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return a median with the least and the largest value, as ``1.20 (1.10-1.35)``."""
    return f"{np.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def peak() -> float:
    """Return the most memory this process ever held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table that reads well as it is: numbers stand at the right."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    wide = [max(len(row[n]) for row in cells) for n in range(len(columns))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, wide, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = ["-" * wide[0], *("-" * (width - 1) + ":" for width in wide[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def tell(name: str, title: str, text: str, record: bool = False) -> None:
    """Print a result and, where it is to be kept, put it into RESULTS.md in the place of the last.

    ``text`` is Markdown: a table, and a sentence on what it says.
    """
    print(f"{title}\n{machine()}\n\n{text}", flush=True)
    if not record:
        return
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    made = f"## {title}\n\n{text}\n\n`{command}`, {day}. {machine()}."
    kept = RESULTS.read_text(encoding="utf-8")
    RESULTS.write_text(placed(kept, name, made), encoding="utf-8")


def placed(page: str, name: str, text: str) -> str:
    """Return a page with ``text`` between comments of that name: where they are, or at its end."""
    made = f"<!-- {name} -->\n{text}\n<!-- end of {name} -->"
    place = _place(name)
    return place.sub(lambda _: made, page) if place.search(page) else f"{page.rstrip()}\n\n{made}\n"


def held(page: str, name: str) -> str:
    """Return what stands on a page between comments of that name; nothing without them."""
    found = _place(name).search(page)
    return found[1] if found else ""


def _place(name: str) -> re.Pattern[str]:
    own = re.escape(name)
    return re.compile(rf"<!-- {own} -->\n(.*?)\n<!-- end of {own} -->", re.S)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
