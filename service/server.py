"""Runs the application under gunicorn, in this process, and says so when it cannot."""

import errno
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gunicorn.app.base import BaseApplication

from recsys.errors import Busy, ConfigError
from service import counts, logs
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen and how wide."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free port."""
    workers: int = 2
    threads: int = 4


def serve(settings: Settings, listen: Listen, ready: Callable[[str], None]) -> None:
    """Answer until told to stop; ``ready`` gets the service's address once it listens.

    Raises ``Busy`` when the port is taken, ``ConfigError`` when the address cannot be used.
    """
    listener = _bind(listen)
    # Both must be set before the libraries that read them are imported, which workers do.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    counted = counts.begin()
    address = f"http://{_reachable(listen.host)}:{listener.getsockname()[1]}"
    options = {
        "bind": f"fd://{listener.detach()}",
        "worker_class": "gthread",
        "workers": listen.workers,
        "threads": listen.threads,
        "keepalive": 15,
        "graceful_timeout": 10,
        "timeout": 60,
        "control_socket_disable": True,
        "logconfig_dict": logs.gunicorn_config(),
        "when_ready": lambda _: ready(address),
        "child_exit": lambda _, worker: counts.forget(worker.pid),
        "worker_exit": _last_words,
        # Only the first process gets here: workers must not delete what their siblings count in.
        "on_exit": lambda _: shutil.rmtree(counted, ignore_errors=True),
    }
    _Gunicorn(settings, options).run()


class _Gunicorn(BaseApplication):
    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        self._settings = settings
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # Runs in each worker after the fork: FAISS hangs when its threads are older than the fork.
        from service import spans, vitals
        from service.app import create_app
        from service.holder import Holder

        logs.configure()
        spans.start()
        vitals.started(self.cfg.threads)
        holder = Holder(self._settings)
        holder.start()
        return create_app(self._settings, holder)


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


def _last_words(_: Any, __: Any) -> None:
    from service import spans

    spans.stop()
