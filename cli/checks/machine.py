"""Looks at the machine: libraries, the working directory, the disk, the port."""

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from cli.checks.finding import Finding, fault, ok, warn

NEEDED = ("faiss", "implicit", "numpy", "pyarrow", "sklearn", "sqlalchemy")
LEAST = 1 << 30
"""Bytes that should be free: a bundle is written beside those that are there."""
LITTLE = 0.05
"""Share of inodes that should be free."""


def libraries() -> Iterator[Finding]:
    """Libraries that are compiled, and may lack something of the system."""
    lacking = {name: reason for name in NEEDED if (reason := _unusable(name))}
    for name, reason in lacking.items():
        step = "install what requirements.lock names into this environment"
        yield fault("libraries", f"{name} cannot be loaded: {reason}", step)
    if reason := _unusable("lightgbm"):
        yield warn(
            "libraries",
            f"LightGBM cannot be loaded, so no ranker is learned: {reason}",
            "apt-get install libgomp1, or what your system calls OpenMP's library",
        )
    elif not lacking:
        version = ".".join(map(str, sys.version_info[:3]))
        yield ok("libraries", f"Python {version} loads {', '.join(NEEDED)} and lightgbm")


def _unusable(name: str) -> str:
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        return str(error)
    return ""


def directory(var: Path) -> Iterator[Finding]:
    """Whether what must be kept can be written."""
    try:
        if not var.exists():
            yield warn(
                "var", f"{var} is not there yet", "it is made by the first command that writes"
            )
            return
        with tempfile.TemporaryFile(dir=var, prefix=".doctor-") as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        step = f"let {_me()} write to it: chown it, or mount it so"
        yield fault("var", f"{var} cannot be written: {error.strerror}", step)
        return
    yield ok("var", f"{var} can be written")


def space(var: Path) -> Iterator[Finding]:
    """How much room is left on the disk."""
    if not var.exists():
        return
    told, usage = os.statvfs(var), shutil.disk_usage(var)
    free, inodes = usage.free, told.f_favail / told.f_files if told.f_files else 1.0
    said = f"{free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} free, {inodes:.0%} of inodes"
    step = "make room: recsys job retention, fewer backups, or a larger disk"
    if free < LEAST // 10 or inodes < LITTLE / 10:
        yield fault("space", said, step)
    elif free < LEAST or inodes < LITTLE:
        yield warn("space", said, step)
    else:
        yield ok("space", said)


def port(host: str, number: int) -> Iterator[Finding]:
    """Whether the port is free, or ours."""
    url = f"http://{host}:{number}"
    try:
        answer = httpx.get(f"{url}/healthz", timeout=5, trust_env=False)
        ours = answer.status_code == 200 and answer.json() == {"status": "ok"}
    except (httpx.ConnectError, httpx.ConnectTimeout):
        yield ok("port", f"{url} is free")
        return
    except (httpx.HTTPError, ValueError):
        ours = False
    if ours:
        yield ok("port", f"a service answers at {url}")
    else:
        step = f"stop it, or serve at another: recsys serve --port {number + 1}"
        yield fault("port", f"another program holds {url}", step)


def _me() -> str:
    return f"user {os.getuid()}"
