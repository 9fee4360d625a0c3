"""Runs the application under gunicorn, in this process, and says so when it cannot."""

import errno
import gc
import importlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from recsys.errors import Busy, ConfigError, RecsysError
from service import counts, draining, logs, worker
from service.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen and how wide."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free port."""
    workers: int = 2
    threads: int = 4
    drain: float = 0.0
    """Seconds between SIGTERM and the end in which ``/readyz`` says 503 and all else is answered:
    as many as a load balancer needs to see it."""


def application(settings: Settings) -> WSGIApplication:
    """Return what answers in a worker, with its threads; to be called there, after the fork."""
    # FAISS hangs when its threads are older than the fork.
    from service import memory, spans
    from service.app import create_app
    from service.holder import Holder

    memory.bound()
    logs.configure()
    spans.start()
    holder = Holder(settings)
    holder.start()
    return create_app(settings, holder)


SHARED = (
    *("recsys.engine", "data.follow", "data.audit", "data.performance", "data.pulse"),
    *("flask", "flask_openapi3", "jinja2", "pyarrow.compute", "nh3"),
)
"""What every worker needs, and what neither counts nor starts threads."""


def _preload() -> None:
    """Import what every worker needs, once and before there are any: they share its memory.

    What counts is imported by workers only, since each counts for itself. Kernels are compiled
    here, or loaded where they were before: a page waits for neither.
    """
    from recsys.rehearsal import rehearse

    for name in SHARED:
        importlib.import_module(name)
    rehearse()
    gc.collect()
    gc.freeze()  # collecting it would write to its pages, and so make each worker's its own


def serve(
    settings: Settings,
    listen: Listen,
    ready: Callable[[str], None],
    reread: Callable[[], Settings] | None = None,
    load: Callable[[Settings], WSGIApplication] = application,
) -> None:
    """Answer until told to stop; ``ready`` gets the service's address once it listens.

    Each worker answers with what ``load`` makes of the settings there. On SIGHUP new workers take
    the place of the old ones, with what ``reread`` returns; where that raises, with the settings of
    before. On SIGTERM what is being answered is finished.
    Raises ``Busy`` when the port is taken, ``ConfigError`` when the address cannot be used.
    """
    logging = logs.gunicorn_config()
    listener = _bind(listen)
    # Both must be set before the libraries that read them are imported, which workers do.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if load is application:
        _preload()
    counted = counts.begin()
    address = f"http://{_reachable(listen.host)}:{listener.getsockname()[1]}"
    options = {
        "bind": f"fd://{listener.detach()}",
        "worker_class": "service.worker.Worker",
        "workers": listen.workers,
        "threads": listen.threads,
        "keepalive": 15,
        "graceful_timeout": 10,
        "timeout": 60,
        "control_socket_disable": True,
        "logconfig_dict": logging,
        "logger_class": _Log,
        "when_ready": lambda _: ready(address),
        "child_exit": _forget,
        "worker_exit": _last_words,
        # Only the first process gets here: workers must not delete what their siblings count in.
        "on_exit": lambda _: shutil.rmtree(counted, ignore_errors=True),
    }
    _Gunicorn(settings, options, reread or (lambda: settings), load, listen.drain).run()


class _Gunicorn(BaseApplication):
    def __init__(
        self,
        settings: Settings,
        options: dict[str, Any],
        reread: Callable[[], Settings],
        load: Callable[[Settings], WSGIApplication],
        drain: float,
    ) -> None:
        self._settings = settings
        self._options = options
        self._reread = reread
        self._load = load
        self._drain = drain
        super().__init__()

    def run(self) -> None:
        _Arbiter(self, self._drain).run()

    def reload(self) -> None:
        super().reload()
        logs.configure()
        try:
            self._settings = self._reread()
            log.info("configuration read again")
        except RecsysError as error:
            log.error("configuration not read again, the one before holds", reason=str(error))

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        # Imports what counts, so only workers may.
        from service import vitals

        vitals.started(self.cfg.threads)
        return self._load(self._settings)


class _Log(Logger):
    """gunicorn's log without a line for each answer: ``observe`` writes that one."""

    def access(self, *_: Any) -> None:
        """Do nothing: gunicorn would take two dozen fields together and throw them away."""


class _Arbiter(Arbiter):
    """The first process; it answers on for a while after it has been told to stop."""

    def __init__(self, app: _Gunicorn, drain: float) -> None:
        self._drain = drain
        super().__init__(app)

    def handle_term(self) -> None:
        draining.begin()
        end = time.monotonic() + self._drain
        while (left := end - time.monotonic()) > 0:
            for signal_ in self.wait_for_signals(min(left, 1.0)):
                if signal_ != signal.SIGCHLD:  # told again: at once
                    raise StopIteration
                self.handle_chld()
            self.murder_workers()
            self.manage_workers()
        super().handle_term()


def _bind(listen: Listen) -> socket.socket:
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Busy(
                f"port {listen.port} on {listen.host} is in use by another program; "
                f"stop it, or choose another port: --port {listen.port + 1}"
            ) from error
        raise ConfigError(
            f"cannot listen on {listen.host} port {listen.port}: {error.strerror}; "
            "check --host and --port"
        ) from error
    return listener


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _forget(_: Any, gone: Any) -> None:
    counts.forget(gone.pid)
    worker.left(gone.age)


def _last_words(_: Any, __: Any) -> None:
    from service import spans

    spans.stop()
