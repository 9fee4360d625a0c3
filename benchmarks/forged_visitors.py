"""Prints what a million forged visitors do to the memory of a live state: nothing that lasts.

The reference is the same number of events from a hundred visitors, in a process of its own.
"""

import subprocess
import sys
import time
from pathlib import Path

from measure import parser, table, tell

from recsys.bundle import Bundle
from recsys.live import Live
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_790_000_000
ARTICLES = 2_000
STEPS = 10


def main() -> None:
    """Measure forged and honest visitors, each in a fresh process."""
    known = parser(__doc__)
    known.add_argument("visitors", type=int, nargs="?", default=1_000_000)
    options = known.parse_args()
    visitors = options.visitors
    rows, ends = [], {}
    for kind in ("honest", "forged"):
        run = subprocess.run(
            [sys.executable, __file__, kind, str(visitors)], capture_output=True, check=True
        )
        half, end, spent = map(float, run.stdout.split())
        ends[kind] = end
        each = 1e6 * spent / visitors
        rows.append((kind, f"{half:.0f}", f"{end:.0f}", f"{end / half:.3f}", f"{each:.1f}"))
    columns = ("visitors", "MB half way", "at the end", "grown", "µs an event")
    tell(
        "forged visitors",
        f"Memory after {visitors:,} events of forged visitors, and of a hundred honest ones",
        f"{table(columns, rows)}\n\nForged over honest: {ends['forged'] / ends['honest']:.2f}.",
        options.record,
    )


def observe(kind: str, visitors: int) -> None:
    """Print resident megabytes half way and at the end, and the seconds it took."""
    live = Live(Bundle.empty())
    live.add([Article("s", f"a{n}", f"/{n}", f"Title {n}", NOW - 9_000) for n in range(ARTICLES)])
    live.refresh(NOW)
    rows = [ArticleId("s", f"a{n}") for n in range(ARTICLES)]
    sizes, start = [], time.perf_counter()
    for step in range(STEPS):
        first = step * visitors // STEPS
        live.observe(
            Event(
                str(n),
                Kind.CLICK,
                rows[n * 7919 % ARTICLES],
                NOW + n // 1000,
                f"forged-{n}" if kind == "forged" else f"honest-{n % 100}",
                context=(f"device:{n % 100_000}" if kind == "forged" else "device:phone",),
            )
            for n in range(first, (step + 1) * visitors // STEPS)
        )
        live.refresh(NOW + (step + 1) * visitors // STEPS // 1000)
        sizes.append(_resident())
    print(sizes[STEPS // 2 - 1], sizes[-1], time.perf_counter() - start)


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] in (["forged"], ["honest"]):
        observe(sys.argv[1], int(sys.argv[2]))
    else:
        main()
