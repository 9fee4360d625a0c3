"""Compares HTTP servers, on our application and on a bare Flask view: speed, memory, and restarts.

`python benchmarks/serving.py --servers gunicorn,granian,waitress` runs it.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from measure import spread, table, tell, turned
from running import family
from serving_load import Load, drive
from serving_network import Network
from serving_stand import WORKERS, Standing, standing

WARM = 3.0
CHANGE = 20.0
"""Seconds of questions in which a server is told to reload, or loses a worker."""
SETTLED = 3.0
"""Seconds of questions before that."""
RELOADS = {"gunicorn", "granian"}
"""Those that SIGHUP tells to start new workers."""


@dataclass(frozen=True, slots=True)
class Stood:
    """What was found of one server with one application in one round."""

    started: float
    """Seconds until the first answer."""
    memory: float
    """MiB of all processes; shared pages count once."""
    loads: dict[int, Load]
    """By connections."""


def compare(args: argparse.Namespace, network: Network, page: dict[str, Any], work: Path) -> None:
    """Ask both applications under each server by turns, then have each server reload."""
    servers = [one for one in args.servers if _installed(one)]
    body = work / "body.json"
    body.write_bytes(b"x" * 3_300)
    applications = {"ours": network.options | page, "bare": {"body": str(body)} | page}
    kinds = [(server, application) for application in applications for server in servers]
    found: dict[tuple[str, str], list[Stood]] = {kind: [] for kind in kinds}
    for turn in range(args.repeats):
        for server, application in turned(kinds, turn):
            options = applications[application]
            with standing(server, application, args.threads, options, work / "log") as service:
                found[server, application].append(_stood(service, network.pages, args, turn))
            print(f"round {turn + 1}: {server}: {application}", file=sys.stderr, flush=True)
    changes = {
        server: _changes(server, applications["bare"], network.pages, args.threads, work)
        for server in servers
    }
    rows = [
        [server, application, connections, *_cells(found[server, application], connections)]
        for server, application in kinds
        for connections in args.concurrency
    ]
    head = ("", "answers", "connections", "per second", "p99 ms", "CPU ms", "MiB", "starts in s")
    lost = table(
        ("", "failed in a reload", "after a worker is killed", "killed worker replaced"),
        [[server, *changes[server]] for server in servers],
    )
    tell(
        "serving-servers",
        "HTTP servers, with our application and with a bare Flask view",
        f"{table(head, rows)}\n\n{lost}\n\nMedians (least-largest) of {args.repeats} rounds of "
        f"{args.seconds:g} s, by turns; {WORKERS} workers of {args.threads} threads; wrk on the "
        "same cores. CPU: of the server, for one answer. MiB: of all its processes, what they "
        "share counted once. Failed: of 16 connections that are kept, while the server starts new "
        "workers on SIGHUP, and after kill -9 of one.",
        args.record,
    )


def _stood(service: Standing, pages: Path, args: argparse.Namespace, turn: int) -> Stood:
    drive(service.url, pages, 16, WARM)
    loads = {}
    for place, connections in enumerate(args.concurrency):
        begin = 10_000 * (1 + turn) + 3_000 * place
        seconds, process = args.seconds, (service.process.pid,)
        loads[connections] = drive(service.url, pages, connections, seconds, begin, process)
        if loads[connections].failed:
            raise SystemExit(f"{loads[connections].failed} answers failed; see the log")
    return Stood(service.started, service.memory(), loads)


def _cells(stood: Sequence[Stood], connections: int) -> list[str]:
    loads = [one.loads[connections] for one in stood]
    return [
        spread([one.rate for one in loads], 0),
        spread([one.p99 for one in loads], 1),
        f"{np.median([one.processor for one in loads]):.2f}",
        f"{np.median([one.memory for one in stood]):,.0f}",
        f"{np.median([one.started for one in stood]):.1f}",
    ]


def _changes(
    server: str, options: dict[str, Any], pages: Path, threads: int, work: Path
) -> list[str]:
    """Return what failed in a reload and after a kill, and whether the dead was replaced."""

    def during(change: Callable[[Standing], None]) -> tuple[int, bool]:
        with standing(server, "bare", threads, options, work / "log") as service:
            later = threading.Timer(SETTLED, change, (service,))
            later.start()
            failed = drive(service.url, pages, 16, CHANGE).failed
            later.join()
            time.sleep(0.5)
            workers = len(family(service.process.pid)) - 1 if service.process.poll() is None else 0
            return failed, workers >= WORKERS

    reloaded = "has none"
    if server in RELOADS:
        reloaded = str(during(lambda service: service.process.send_signal(signal.SIGHUP))[0])
    killed, whole = during(lambda service: os.kill(family(service.process.pid)[-1], signal.SIGKILL))
    return [reloaded, str(killed), "yes" if whole else "no"]


def _installed(server: str) -> bool:
    if find_spec(server):
        return True
    print(f"{server} is left out: pip install -e '.[bench]'", file=sys.stderr)
    return False
