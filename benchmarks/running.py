"""Runs `recsys` as a person would, for benchmarks, and looks at the processes that answer."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECSYS = str(Path(sys.executable).with_name("recsys"))


def command(var: Path, *words: str) -> list[str]:
    """Return what a person types for the installation in ``var``, with its configuration if any."""
    config = var / "recsys.toml"
    given = ("--config", str(config)) if config.exists() else ()
    return [RECSYS, "--var", str(var), *given, *words]


def recsys(var: Path, *words: str) -> str:
    """Run a command for the installation in ``var`` and return what it prints."""
    done = subprocess.run(command(var, *words), stdout=subprocess.PIPE, text=True)
    if done.returncode:  # it has said why
        raise SystemExit(f"recsys {' '.join(words)} ended with {done.returncode}")
    return done.stdout


def generate(network: Path, *options: str) -> None:
    """Write a sample network."""
    recsys(network, "sample", "generate", str(network), *options)


def fill(var: Path, network: Path) -> None:
    """Make an installation that has a network's configuration, articles and events."""
    var.mkdir(parents=True, exist_ok=True)
    shutil.copy(network / "recsys.toml", var)
    for kind in ("articles", "events"):
        recsys(var, "import", kind, str(network / f"{kind}.parquet"))


def key(var: Path, *scopes: str) -> str:
    """Return the token of a new key."""
    words = (f"--scope={scope}" for scope in scopes)
    return recsys(var, "keys", "create", "benchmark", *words).split()[-1]


@dataclass(frozen=True, slots=True)
class Service:
    """One that listens."""

    url: str
    pid: int
    """Of its first process, which answers nothing itself."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def workers(self) -> list[int]:
        """Return the processes that answer."""
        return family(self.pid)[1:]


def serving(var: Path, *options: str) -> contextlib.AbstractContextManager[Service]:
    """Serve what is in ``var`` on a free port of this machine, as long as the context lasts."""
    return listening(command(var, "serve", "--port", "0", *options))


@contextlib.contextmanager
def listening(words: Sequence[str]) -> Iterator[Service]:
    """Run a command that serves, and says where, as long as the context lasts."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        started(words, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://[\d.]+:\d+", line):
                break
        else:
            errors.seek(0)
            raise SystemExit(f"the service did not start:\n{errors.read()[-2000:]}")
        yield Service(found[0], process.pid)


@contextlib.contextmanager
def started(words: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a command as long as the context lasts; ``options`` are those of ``Popen``."""
    process = subprocess.Popen(words, text=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """Return a port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def family(pid: int) -> list[int]:
    """Return a process and its children that live: of a service, its workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *(one for one in map(int, children.split()) if _stat(one)[0] != "Z")]


def megabytes(pids: Collection[int]) -> float:
    """Return what processes hold together, in MB: what they share counts once (Pss)."""
    kilobytes = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += sum(map(int, re.findall(r"^Pss:\s+(\d+) kB", told, re.M)))
    return kilobytes / 1024


def processor(pids: Collection[int]) -> float:
    """Return the seconds of processor that processes have taken so far."""
    ticks = sum(int(taken) for pid in pids for taken in _stat(pid)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return what the kernel tells of a process, from its state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return ["Z", *["0"] * 20]
