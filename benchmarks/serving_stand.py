"""Stands an application under an HTTP server, in processes of its own, until it is told to stop.

``standing`` starts this file as a program, which prints the address that answers.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import httpx
from running import family, free_port, megabytes

PAGE = "/v1/recommendations"
WORKERS = 2
PATIENCE = 120.0
"""Seconds in which an application must have answered."""
Make = Callable[[], WSGIApplication]


@dataclass(frozen=True, slots=True)
class Standing:
    """A service that answers."""

    url: str
    process: "subprocess.Popen[str]"
    started: float
    """Seconds until the first answer."""

    def memory(self) -> float:
        """Return the MiB of all processes; what they share counts once (PSS)."""
        return megabytes(family(self.process.pid))


@contextmanager
def standing(
    server: str, application: str, threads: int, options: Mapping[str, Any], log: Path
) -> Iterator[Standing]:
    """Start an application of ``APPLICATIONS`` under one of ``SERVERS``; wait until it answers.

    What it logs takes the place of what the last one did.
    """
    began = time.perf_counter()
    words = [sys.executable, __file__, server, application, str(threads), json.dumps(dict(options))]
    with log.open("w") as lines:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=lines, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        while True:
            try:
                httpx.get(f"{url}{PAGE}", params=options["page"], timeout=30).raise_for_status()
                break
            except httpx.HTTPError as error:
                late = time.perf_counter() - began > PATIENCE
                if late or process.poll() is not None or not url:
                    raise SystemExit(f"{application} does not answer; see {log}") from error
                time.sleep(0.02)
        yield Standing(url, process, time.perf_counter() - began)
    finally:
        left = family(process.pid) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            for one in left:
                os.kill(one, signal.SIGKILL)


def ours(options: Mapping[str, Any]) -> WSGIApplication:
    """Return the whole application, as `recsys serve` makes it."""
    from cli.serve import settings
    from cli.setup import load
    from service import server

    return server.application(settings(load(Path(options["config"]), Path(options["var"]))))


def bare(options: Mapping[str, Any]) -> WSGIApplication:
    """Return a Flask view that answers the same bytes to everybody."""
    from flask import Flask, Response

    body = Path(options["body"]).read_bytes()
    app = Flask("bare")

    @app.get(PAGE)
    def answer() -> Response:
        return Response(body, mimetype="application/json")

    return app


def rival(name: str) -> Callable[[Mapping[str, Any]], WSGIApplication]:
    """Return what makes the application of a rival."""

    def made(options: Mapping[str, Any]) -> WSGIApplication:
        import serving_rivals

        return serving_rivals.application(name, options)

    return made


APPLICATIONS = {
    "ours": ours,
    "bare": bare,
    **{name: rival(name) for name in ("text", "pgvector", "tantivy")},
}


def gunicorn(make: Make, threads: int) -> None:
    """Serve as `recsys serve` does."""
    from service import server
    from service.settings import Settings

    nobody = Settings(Path(), "sqlite://", Path())
    listen = server.Listen(port=0, workers=WORKERS, threads=threads)
    server.serve(nobody, listen, lambda url: print(url, flush=True), load=lambda _: make())


def granian(make: Make, threads: int) -> None:
    """Serve under granian, as it comes: each worker has a socket of its own."""
    from granian import Granian
    from granian.constants import Interfaces

    from service import counts

    counts.begin()
    port = free_port()

    def load() -> WSGIApplication:
        made = make()

        def at_once(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
            # A list goes out in one piece; whatever else is iterated goes out in many.
            parts = made(environ, start)
            try:
                return [b"".join(parts)]
            finally:
                getattr(parts, "close", lambda: None)()

        return at_once

    print(f"http://127.0.0.1:{port}", flush=True)
    served = Granian(
        "",
        port=port,
        interface=Interfaces.WSGI,
        workers=WORKERS,
        blocking_threads=threads,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    )
    served.serve(target_loader=load, wrap_loader=False)


def waitress(make: Make, threads: int) -> None:
    """Serve under waitress, in two processes that share a socket; it has no reload."""
    from waitress import serve

    from service import counts

    counts.begin()
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    workers = []
    for _ in range(WORKERS):
        workers.append(os.fork())
        if not workers[-1]:
            serve(make(), sockets=[listener], threads=threads, _quiet=True)
            os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(one, signal.SIGTERM) for one in workers])
    for one in workers:
        os.waitpid(one, 0)


SERVERS = {"gunicorn": gunicorn, "granian": granian, "waitress": waitress}


def main(server: str, application: str, threads: int, options: Mapping[str, Any]) -> None:
    """Stand one application under one server until told to stop."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    SERVERS[server](lambda: APPLICATIONS[application](options), threads)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
