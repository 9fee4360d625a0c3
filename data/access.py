"""Keeps who may write: keys of publishers' systems, each with scopes and sites."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, select, update

from data.schema import api_keys
from data.scope import Scope
from data.store import Store

PREFIX = "rk"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is kept; the token itself is shown once and never stored."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    sites: tuple[str, ...]
    """Sites it may write to; empty for all."""
    created: int
    """UTC seconds."""
    revoked: int | None = None
    digest: bytes = field(default=b"", repr=False)

    def may(self, scope: Scope, site: str = "") -> bool:
        """Return whether the key has a scope, and where a site is named, for that site."""
        return scope in self.scopes and (not (site and self.sites) or site in self.sites)


def create(
    store: Store, name: str, scopes: Sequence[Scope], sites: Sequence[str], now: int
) -> tuple[ApiKey, str]:
    """Make a key and return it with its token, which cannot be had again."""
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    digest = _digest(secret)
    key = ApiKey(id, name, tuple(scopes), tuple(sites), now, digest=digest)
    row = {
        "id": id,
        "name": name,
        "scopes": [str(scope) for scope in scopes],
        "sites": list(sites),
        "digest": digest,
        "created": now,
    }
    with store.writing() as connection:
        connection.execute(insert(api_keys).values(row))
    return key, f"{PREFIX}_{id}_{secret}"


def keys(store: Store) -> list[ApiKey]:
    """Return all keys, revoked ones too, the oldest first."""
    with store.reading() as connection:
        rows = connection.execute(
            select(api_keys).order_by(api_keys.c.created, api_keys.c.id)
        ).all()
    return [
        ApiKey(
            id=row.id,
            name=row.name,
            scopes=tuple(Scope(scope) for scope in row.scopes),
            sites=tuple(row.sites),
            created=row.created,
            revoked=row.revoked,
            digest=row.digest,
        )
        for row in rows
    ]


def revoke(store: Store, id: str, now: int) -> bool:
    """Make a key useless from now on; returns whether there was such a key in use."""
    with store.writing() as connection:
        own = update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked.is_(None))
        return connection.execute(own.values(revoked=now)).rowcount > 0


def check(known: Mapping[str, ApiKey], token: str) -> ApiKey | None:
    """Return the key of a token, None for one that is unknown, wrong or revoked."""
    prefix, _, rest = token.partition("_")
    id, _, secret = rest.partition("_")
    key = known.get(id)
    # Compared even where there is no such key: the time taken must not tell which ids exist.
    right = hmac.compare_digest(key.digest if key else bytes(32), _digest(secret))
    return key if key and right and prefix == PREFIX and key.revoked is None else None


def _digest(secret: str) -> bytes:
    # A slow hash protects words that people choose; these are 256 random bits.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
