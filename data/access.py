"""Keeps who may write: keys of publishers' systems, each with scopes and sites."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, or_, select, update

from data.audit import PROGRAM, Actor, record
from data.schema import api_keys
from data.scope import INCLUDED, Scope
from data.store import Store
from recsys.errors import DataError

PREFIX = "rk"
GRACE = 86_400
"""Seconds in which the token of before a rotation stays good."""


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
    expires: int | None = None
    """UTC seconds; None for never."""
    digest: bytes = field(default=b"", repr=False)
    previous: bytes | None = field(default=None, repr=False)
    """Digest of before the last rotation."""
    previous_until: int | None = None
    """When that stops being good, UTC seconds."""

    def may(self, scope: Scope, site: str = "") -> bool:
        """Return whether the key has a scope, and where a site is named, for that site.

        An editor may what a viewer may, an admin what an editor may.
        """
        opened = any(scope == own or scope in INCLUDED.get(own, ()) for own in self.scopes)
        return opened and (not (site and self.sites) or site in self.sites)

    def usable(self, now: int) -> bool:
        """Return whether it is neither revoked nor expired at ``now`` (UTC seconds)."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def create(
    store: Store,
    name: str,
    scopes: Sequence[Scope],
    sites: Sequence[str],
    now: int,
    expires: int | None = None,
    actor: Actor = PROGRAM,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its token, which cannot be had again.

    ``now`` and ``expires`` are UTC seconds. Raises ``DataError`` where it would expire at once, or
    the store fails.
    """
    if expires is not None and expires <= now:
        raise DataError(f"expires = {expires}: expected a time in the future")
    id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    digest = _digest(secret)
    key = ApiKey(id, name, tuple(scopes), tuple(sites), now, expires=expires, digest=digest)
    row = {
        "id": id,
        "name": name,
        "scopes": [str(scope) for scope in scopes],
        "sites": list(sites),
        "digest": digest,
        "created": now,
        "expires": expires,
    }
    said = {name: row[name] for name in ("name", "scopes", "sites", "expires")}
    with store.writing() as connection:
        connection.execute(insert(api_keys).values(row))
        record(connection, actor, "key.create", id, now, **said)
    return key, _token(id, secret)


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
            expires=row.expires,
            digest=row.digest,
            previous=row.previous,
            previous_until=row.previous_until,
        )
        for row in rows
    ]


def rotate(store: Store, id: str, now: int, grace: int = GRACE, actor: Actor = PROGRAM) -> str:
    """Give a key a new token and return it; the old one stays good for ``grace`` seconds.

    A second rotation ends the one of before the first at once. Raises ``DataError`` where no key
    of this id is in use.
    """
    secret = secrets.token_urlsafe(32)
    fresh = {
        "digest": _digest(secret),
        "previous": api_keys.c.digest,
        "previous_until": now + grace,
    }
    good = or_(api_keys.c.expires.is_(None), api_keys.c.expires > now)
    own = update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked.is_(None), good)
    with store.writing() as connection:
        if not connection.execute(own.values(fresh)).rowcount:
            raise DataError(f"there is no key {id!r} in use; see recsys keys list")
        record(connection, actor, "key.rotate", id, now, grace=grace)
    return _token(id, secret)


def revoke(store: Store, id: str, now: int, actor: Actor = PROGRAM) -> bool:
    """Make a key useless from now on; returns whether there was such a key in use."""
    own = update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked.is_(None))
    with store.writing() as connection:
        revoked = connection.execute(own.values(revoked=now)).rowcount > 0
        if revoked:
            record(connection, actor, "key.revoke", id, now)
    return revoked


def check(known: Mapping[str, ApiKey], token: str, now: int) -> ApiKey | None:
    """Return the key of a token, None for one that is unknown, wrong, revoked or expired."""
    prefix, _, rest = token.partition("_")
    id, _, secret = rest.partition("_")
    key, given = known.get(id), _digest(secret)
    # Compared even where there is no such key: the time taken must not tell which ids exist.
    right = hmac.compare_digest(key.digest if key else bytes(32), given)
    before = hmac.compare_digest((key and key.previous) or bytes(32), given)
    graced = before and key is not None and now < (key.previous_until or 0)
    return key if key and (right or graced) and prefix == PREFIX and key.usable(now) else None


def _token(id: str, secret: str) -> str:
    return f"{PREFIX}_{id}_{secret}"


def _digest(secret: str) -> bytes:
    # A slow hash protects words that people choose; these are 256 random bits.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
