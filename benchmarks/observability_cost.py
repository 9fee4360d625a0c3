"""Prints what it costs an answer to be counted, timed, logged and traced, against one that is not.

A small sample network is generated and learned from. The same pages ask the whole application,
without a network in between: in each round every variant answers all pages, one after the other, so
that whatever else the machine does meets all alike. Times are of the processor, of the thread that
answers. Counts go to files as those of several workers do, lines to a file, spans to a receiver
that is away: what sends them is another thread, in the background.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from measure import parser, table, tell
from running import fill, generate, recsys

from service import counts, logs

PAGES = 50


class Unwatched:
    """Stands where a watch would, and does nothing."""

    def __call__(self, _: str) -> None:
        """Take no note."""

    def seconds(self) -> dict[str, float]:
        """Return nothing."""
        return {}


def main() -> None:
    """Learn, ask and tell."""
    known = parser(__doc__)
    known.add_argument("rounds", type=int, nargs="?", default=40)
    options = known.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        var = Path(folder)
        generate(var / "network", "--size", "small")
        fill(var, var / "network")
        recsys(var, "train")
        counts.begin()  # before anything imports what counts
        lines = stack.enter_context((var / "lines").open("wb"))
        stack.enter_context(mock.patch.object(sys, "stderr", mock.Mock(buffer=lines)))
        logs.configure()
        ask = {name: _asks(var, name) for name in ("nothing", "metrics and logs", "and spans")}
        taken: dict[str, list[float]] = {name: [] for name in ask}
        for round in range(options.rounds + 1):
            for name, asks in ask.items():
                seconds = list(asks())
                if round:  # the first warms caches up
                    taken[name] += seconds
    bare = np.median(taken["nothing"])
    rows = []
    for name, seconds in taken.items():
        low, middle, high = np.quantile(seconds, [0.1, 0.5, 0.9])
        figures = (1e3 * middle, 1e3 * low, 1e3 * high, middle / bare)
        rows.append((name, *(f"{figure:.3f}" for figure in figures)))
    columns = ("counted, logged, traced", "median ms", "p10", "p90", "ratio")
    tell(
        "observability",
        "What it costs an answer to be watched",
        f"{table(columns, rows)}\n\n{len(taken['nothing']):,} answers of each, {PAGES} pages,"
        f" {options.rounds} rounds after one of warm-up.",
        options.record,
    )


def _asks(var: Path, variant: str) -> Callable[[], Iterator[float]]:
    """Return what asks all pages of an application of its own and times each answer."""
    from service import metrics, observe, recommendations, spans
    from service.app import create_app
    from service.holder import Holder
    from service.settings import Settings

    settings = Settings(
        var / "bundles", f"sqlite:///{var / 'recsys.db'}", var / "keyring.json", refresh=1e9
    )
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    catalogue = holder.engine.bundle.catalogue
    step = max(1, len(catalogue) // PAGES)
    pages = [catalogue.id(row) for row in range(0, len(catalogue), step)][:PAGES]

    @contextmanager
    def without() -> Iterator[None]:
        nothing = mock.patch.object
        with (
            nothing(metrics, "count_answer", lambda *_: None),
            nothing(recommendations, "Stages", Unwatched),
            nothing(spans, "stages", lambda _: None),
        ):
            yield

    if variant == "nothing":
        with mock.patch.object(observe, "register", return_value=None):
            client = create_app(settings, holder).test_client()
    else:
        client = create_app(settings, holder).test_client()
    if variant == "and spans":
        spans.PATIENCE = 0.0  # its last spans are nobody's
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"

    def asked() -> Iterator[float]:
        with ExitStack() as stack:
            if variant == "nothing":
                stack.enter_context(without())
            if variant == "and spans":
                spans.start()
                stack.callback(spans.stop)
            for page in pages:
                start = time.thread_time()
                answer = client.get("/v1/recommendations", query_string={"article": str(page)})
                seconds = time.thread_time() - start
                assert answer.status_code == 200
                yield seconds

    return asked


if __name__ == "__main__":
    main()
