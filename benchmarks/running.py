"""Runs `recsys serve` as a person would, and looks at its processes, for benchmarks that ask it."""

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RECSYS = str(Path(sys.executable).with_name("recsys"))


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
        return [int(p) for p in _told(f"/proc/{self.pid}/task/{self.pid}/children").split()]


@contextlib.contextmanager
def serving(var: Path, *options: str) -> Iterator[Service]:
    """Serve what is in ``var`` on a free port of this machine, as long as the context lasts."""
    config = var / "recsys.toml"
    words = [RECSYS, "--var", str(var), *(("--config", str(config)) if config.exists() else ())]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*words, "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"http://[\d.]+:\d+", line):
                    break
            else:
                errors.seek(0)
                raise SystemExit(f"the service did not start:\n{errors.read()[-2000:]}")
            yield Service(found[0], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def key(var: Path, *scopes: str) -> str:
    """Return the token of a new key."""
    words = [RECSYS, "--var", str(var), "keys", "create", "benchmark"]
    done = subprocess.run(
        [*words, *(f"--scope={scope}" for scope in scopes)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


def megabytes(pid: int) -> dict[str, float]:
    """Return what a process holds, in MB: ``Rss``, ``Pss`` and ``Uss``.

    Rss counts all pages, Pss each as often as it is nobody else's, Uss those that it alone has.
    """
    told = _told(f"/proc/{pid}/smaps_rollup")
    kilobytes = {name: int(n) for name, n in re.findall(r"^(\w+):\s+(\d+) kB", told, re.M)}
    kilobytes["Uss"] = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return {name: kilobytes[name] / 1024 for name in ("Rss", "Pss", "Uss")}


def processor(pids: Sequence[int]) -> float:
    """Return the seconds of processor that processes have taken so far."""
    ticks = 0
    for pid in pids:
        fields = _told(f"/proc/{pid}/stat").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def _told(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
