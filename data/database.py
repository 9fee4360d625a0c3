"""Opens the database of the store: pragmas, migrations, errors in words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from recsys.errors import DataError

MIGRATIONS = Path(__file__).parent / "migrations"
CACHE = 128 * 1024
"""KiB of pages that a connection may keep."""
PATIENCE = 30.0
"""Seconds to wait for another writer."""


def connect(url: str) -> Engine:
    """Return an engine for an SQLAlchemy URL, with the schema brought up to date.

    Raises ``DataError`` where the URL is none, the database cannot be opened, or a newer version
    of this program has written it.
    """
    try:
        address = make_url(url)
        engine = create_engine(address)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DataError(f"the store's address is not usable: {error}") from error
    if address.get_backend_name() == "sqlite":
        if address.database and address.database != ":memory:":
            _make_folder(Path(address.database).parent)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    with readable_errors(engine):
        migrate(engine)
    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to this version's; does nothing where it is so already."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    if set(found) == set(script.get_heads()):
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if not known.issuperset(found):
        raise DataError(
            f"the store {engine.url!r} has schema {', '.join(found)}, which this version does not"
            " know; update the program, or name another store"
        )
    # Immediate: of two processes that open a new store, one migrates and the other waits.
    options = {"begin": "BEGIN IMMEDIATE"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def readable_errors(engine: Engine) -> Iterator[None]:
    """Turn what a database says into a ``DataError`` with the next step."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).strip()
        step = next((step for sign, step in NEXT_STEPS.items() if sign in cause), "")
        raise DataError(f"the store {engine.url!r} failed: {cause}{step}") from error


NEXT_STEPS = {
    "disk is full": "; free some space and run the same command again, nothing is half-written",
    "readonly database": "; check that its file and directory are writable",
    "unable to open": "; check that its directory exists and is writable",
    "not a database": "; it is not an SQLite file, name another with --var or [store] url",
    "malformed": "; restore a backup, or move it away and import anew",
    "locked": "; another process has been writing for long, try again",
}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot create {folder} for the store: {error.strerror}") from error


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Transactions are begun by ``_begin``: the driver's own rule leaves reads outside of them.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL this survives a killed process; a power cut may lose the last moments, never more.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Event ids are random: without room for their index, every row would rewrite a page.
    connection.execute(f"PRAGMA cache_size = -{CACHE}")
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
