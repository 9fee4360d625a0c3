"""Opens the database of the store: connections, migrations, errors in words."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from data import connections
from data.connections import StoreSettings
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:  # what migrates takes a while to load, and hardly anybody has to migrate
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
CACHE = 2 * 1024
"""KiB of pages that a connection to SQLite may keep; the system keeps all of them once."""
ROOM = 128 * 1024
"""KiB of pages that it may keep while it writes very many rows."""
PATIENCE = 30.0
"""Seconds to wait for another writer of SQLite."""
TURN = 7_205_759_403
"""Key of the lock under which PostgreSQL is migrated: any number that nobody else takes."""
LEISURE = ("statement_timeout", "idle_in_transaction_session_timeout")
"""Limits that are lifted where one side of a copy waits while the other works."""
KEEPALIVE = {
    **{"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3},
    "tcp_user_timeout": 60_000,
}
"""A server that the network lost is noticed within a minute, not within hours."""


def connect(url: str, *, migrating: bool = True) -> Engine:
    """Return an engine for an SQLAlchemy URL, with the schema brought up to date.

    Parameters of the URL that are named as in ``StoreSettings`` say how to connect. Raises
    ``DataError`` where the URL is none, the database cannot be opened, or a newer version of this
    program has written it.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        database = engine.url.database
        if database and database != ":memory:":
            _make_folder(Path(database).parent)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "checkin", _shrink_sqlite)
    if migrating:
        try:
            with readable_errors(engine):
                migrate(engine)
        except DataError:
            engine.dispose()
            raise
    return engine


def _engine(url: str) -> Engine:
    try:
        address = make_url(url)
        if address.drivername in ("postgresql", "postgres"):
            address = address.set(drivername="postgresql+psycopg")
        settings, query = connections.parsed(address.query)
        address = address.set(query=query)
        if "@" in (address.host or ""):
            raise ValueError("it has several @; write the one of a password as %40")
        if address.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError(f"{address.drivername} is neither sqlite nor postgresql")
        options = _postgres(settings) if address.get_backend_name() == "postgresql" else {}
        json = {"json_serializer": _json, "json_deserializer": orjson.loads}
        return create_engine(address, **json, **options)
    except ArgumentError as error:
        # Its words may hold the address, and that a password.
        raise DataError(
            "the store's address is not usable; expected an SQLAlchemy URL, as sqlite:///FILE or"
            " postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    except (NoSuchModuleError, ImportError, ValueError, ConfigError) as error:
        words = str(error)
        if "invalid literal for int" in words:
            words = "its port is no number; write / : @ of a password as %2F %3A %40"
        raise DataError(f"the store's address is not usable: {words}") from error


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _postgres(settings: StoreSettings) -> dict[str, Any]:
    seconds = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "idle_in_transaction_session_timeout": settings.idle_timeout,
    }
    return {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_overflow,
        "pool_timeout": settings.pool_wait,
        "pool_recycle": settings.pool_recycle,
        "pool_pre_ping": settings.pool_ping,
        # The connections that are needed least close first.
        "pool_use_lifo": True,
        "connect_args": {
            "connect_timeout": round(settings.connect_timeout),
            "application_name": settings.application_name,
            "options": " ".join(f"-c {name}={round(s * 1000)}" for name, s in seconds.items()),
            **KEEPALIVE,
        },
    }


def migrate(engine: Engine) -> None:
    """Bring the schema to this version's; does nothing where it is so already."""
    with engine.connect() as connection:
        found = revision_of(connection)
    if found == head():
        return
    if found and found not in known():
        raise DataError(
            f"the store {shown(engine.url)} has schema {found}, which this version does"
            " not know; update the program, or name another store"
        )
    from alembic import command

    config = alembic()
    # Of several processes that open a store, one migrates and the others wait.
    options = {"begin": "BEGIN IMMEDIATE"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        # A large store takes its time, and so does whoever waits for it.
        lift(connection, "statement_timeout", "lock_timeout")
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revision(engine: Engine) -> str:
    """Return the revision of the schema, empty where there is none."""
    with readable_errors(engine), engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str:
    """Return the same within a transaction."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return ", ".join(connection.scalars(text("SELECT version_num FROM alembic_version")))


def head() -> str:
    """Return the revision that this version of the program wants."""
    return max(known())


def known() -> frozenset[str]:
    """Return the revisions that this version of the program can bring up to date.

    The file of each is named by it.
    """
    return frozenset(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def alembic() -> "Config":
    """Return what Alembic must be told to run our migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def lift(connection: Connection, *limits: str) -> None:
    """Let a transaction take as long as it must: limits as PostgreSQL names them; SQLite has none.

    They hold again for whoever has the connection next.
    """
    if connection.dialect.name == "postgresql":
        for limit in limits:
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def shown(url: URL) -> str:
    """Return an address for people: without its password and parameters."""
    return repr(url.set(query={}))


@contextmanager
def readable_errors(engine: Engine) -> Iterator[None]:
    """Turn what a database says into a ``DataError`` with the next step."""
    try:
        yield
    except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        original = getattr(error, "orig", None) or error
        code = getattr(original, "sqlstate", None) or ""
        # Of a server's answer the first line: others may hold what readers did.
        said = getattr(getattr(original, "diag", None), "message_primary", None)
        cause = re.sub(r"\s+", " ", said or str(original)).strip()
        signs = f"[{code}] {cause}".lower()
        step = next((step for sign, step in NEXT_STEPS.items() if sign in signs), "")
        raise DataError(f"the store {shown(engine.url)} failed: {cause}{step}") from error


NEXT_STEPS = {
    "disk is full": "; free some space and run the same command again, nothing is half-written",
    "readonly database": "; check that its file and directory are writable",
    "unable to open": "; check that its directory exists and is writable",
    "not a database": "; it is not an SQLite file, name another with --var or [store] url",
    "malformed": "; restore a backup, or move it away and import anew",
    "database is locked": "; another process has been writing for long, try again",
    # From here on PostgreSQL: what it says while one connects has no code.
    "password authentication failed": "; check user and password in [store] url",
    "no password supplied": "; give the password in [store] url, or in ~/.pgpass",
    "no pg_hba.conf entry": "; let this machine and user in by the server's pg_hba.conf",
    'role "': "; make the role (createuser) or name another in [store] url",
    'database "': "; make it (createdb) or name another in [store] url",
    "connection refused": "; see whether the server runs, and check host and port in [store] url",
    "no such file or directory": "; see whether the server runs, and check its socket's directory",
    "failed to resolve host": "; check the host in [store] url",
    "could not translate host": "; check the host in [store] url",
    "name or service not known": "; check the host in [store] url",
    "timeout expired": "; see whether the server can be reached, or raise [store] connect_timeout",
    "too many clients": "; lower [store] pool_size or the number of workers, or raise the server's"
    " max_connections",
    "remaining connection slots": "; lower [store] pool_size or the number of workers, or raise the"
    " server's max_connections",
    "queuepool limit": "; all connections of this process are in use: raise [store] pool_size or"
    " pool_overflow, or see what holds them",
    "the database system is": "; it is not ready yet, try again in a moment",
    "[53100]": "; free some space on the server's disk, nothing is half-written",
    "no space left": "; free some space on the server's disk, nothing is half-written",
    "[25006]": "; it is a standby or set to read only: name the primary in [store] url",
    "[57014]": "; it took longer than [store] statement_timeout allows",
    "[55p03]": "; another process has been writing for longer than [store] lock_timeout, try again",
    "[40p01]": "; try again",
    "[40001]": "; try again",
    "[25p03]": "; the transaction lay idle for longer than [store] idle_timeout",
    "[42501]": "; the role needs to own the tables: see data/README.md",
    "[42p01]": "; run recsys db check",
    "[42703]": "; run recsys db check",
    "[57p0": "; it was restarted, try again",
    "server closed the connection": "; it was restarted or the network failed, try again",
    "connection is lost": "; it was restarted or the network failed, try again",
    "connection is closed": "; it was restarted or the network failed, try again",
}
"""By a part of what was said, in small letters, or by the code of PostgreSQL in brackets."""


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot create {folder} for the store: {error.strerror}") from error


def _shrink_sqlite(connection: sqlite3.Connection | None, _: Any) -> None:
    # A service has many connections, and each would come to hold a part of the same database.
    if connection is not None:
        with suppress(sqlite3.Error):  # whoever asks next is told what is wrong with it
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute("PRAGMA shrink_memory")


def make_room(connection: Connection) -> None:
    """Let a transaction keep more pages until its end: it is about to write very many rows.

    Event ids are random: without room for their index, every row would rewrite a page.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{ROOM}")


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # Transactions are begun by ``_begin``: the driver's own rule leaves reads outside of them.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL this survives a killed process; a power cut may lose the last moments, never more.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE}")
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")


def _begin(connection: Connection) -> None:
    # To the driver, as it is: every small write would pay for more.
    words = connection.get_execution_options().get("begin", "BEGIN")
    connection.connection.cursor().execute(words)
