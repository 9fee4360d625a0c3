"""Says how a process reaches its store, as one address, without the weight of the store."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from recsys.config import within

SERVERS = ("postgresql://", "postgresql+psycopg://", "postgres://")
"""How the address of a PostgreSQL begins."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The table [store]; all but ``url`` is for PostgreSQL, and for each process."""

    url: str = ""
    """SQLAlchemy URL; an SQLite file in the working directory `var` where empty."""
    pool_size: int = 5
    """Connections to PostgreSQL that a process keeps open."""
    pool_overflow: int = 10
    """Connections beyond these while more are needed."""
    pool_wait: float = 10.0
    """Seconds to wait for a free connection."""
    pool_recycle: float = 1800.0
    """Seconds after which a connection is replaced by a new one."""
    pool_ping: bool = True
    """Ask a connection whether it still stands before it is used: a restarted server goes
    unseen."""
    connect_timeout: float = 5.0
    """Seconds that connecting may take."""
    statement_timeout: float = 60.0
    """Seconds that one statement may take; 0 for any."""
    lock_timeout: float = 10.0
    """Seconds that a statement may wait for another writer; 0 for any."""
    idle_timeout: float = 60.0
    """Seconds that a transaction may lie idle, as of a process that hangs; 0 for any."""
    application_name: str = "recsys"
    """Under which name PostgreSQL lists the connections."""

    def __post_init__(self) -> None:
        for name in ("pool_size", "connect_timeout", "pool_recycle"):
            within(name, getattr(self, name), 1, 1e6)
        for name in ("pool_overflow", "pool_wait", "statement_timeout", "lock_timeout"):
            within(name, getattr(self, name), 0, 1e6)
        within("idle_timeout", self.idle_timeout, 0, 1e6)

    def address(self, url: str) -> str:
        """Return the address of a store with what differs from the defaults as its parameters."""
        if not url.startswith(SERVERS):
            return url
        said = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "url" and getattr(self, field.name) != field.default
        }
        return f"{url}{'&' if '?' in url else '?'}{urlencode(said)}" if said else url


def parsed(query: Mapping[str, Any]) -> tuple[StoreSettings, dict[str, Any]]:
    """Return what the parameters of an address say, and those that are none of ours.

    Raises ``ValueError`` where one cannot be read, or ``ConfigError`` where it makes no sense.
    """
    rest, said = dict(query), {}
    for field in dataclasses.fields(StoreSettings):
        if field.name != "url" and field.name in rest:
            text = str(rest.pop(field.name))
            kind = type(field.default)
            said[field.name] = text.lower() in ("true", "1") if kind is bool else kind(text)
    return StoreSettings(**said), rest
