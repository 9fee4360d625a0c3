"""Keeps the secrets of one installation: what ids are hashed with and slates are signed with."""

import base64
import dataclasses
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError
from recsys.types import Event

BYTES = 32
"""Length of every secret."""


@dataclass(frozen=True, slots=True)
class SlateKey:
    """One key that slates are signed with."""

    id: str
    """Named in each signed slate."""
    secret: bytes = dataclasses.field(repr=False)
    created: int = 0
    """UTC seconds."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets; they are never logged and never leave the machine."""

    pseudonyms: bytes = dataclasses.field(repr=False)
    """Never changes: with another one every reader is a stranger."""
    slates: tuple[SlateKey, ...]
    """The newest signs, all of them verify; newest first."""

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that tell keyrings apart and nothing of the secrets.

        It changes with the key that signs, and replicas that do not share it refuse each other's
        slates and take each other's readers for strangers.
        """
        signs = self.slates[0].secret
        return hashlib.blake2b(signs, digest_size=4, key=self.pseudonyms).hexdigest()

    def visitor(self, id: str) -> str:
        """Return the pseudonym of a visitor's id, 32 hex digits; empty stays empty.

        A keyed hash (BLAKE2b): without the key nobody can try out which id it was.
        """
        return self._hashed(id, b"visitor")

    def session(self, id: str) -> str:
        """Return the pseudonym of a session's id, as ``visitor`` does."""
        return self._hashed(id, b"session")

    def hide(self, event: Event) -> Event:
        """Return an event with pseudonyms for its visitor and session."""
        if not (event.visitor or event.session):
            return event
        visitor, session = self.visitor(event.visitor), self.session(event.session)
        return dataclasses.replace(event, visitor=visitor, session=session)

    def _hashed(self, id: str, kind: bytes) -> str:
        if not id:
            return ""
        digest = hashlib.blake2b(
            id.encode("utf-8", "surrogatepass"), digest_size=16, key=self.pseudonyms, person=kind
        )
        return digest.hexdigest()


def load(path: Path, now: int) -> Keyring:
    """Read the keyring at ``path``; where there is none, make one that only its owner may read.

    Processes that start at once get the same one. Raises ``ConfigError`` where it cannot be read
    or written.
    """
    if not path.exists():
        with _writing(path):
            if not path.exists():
                _write(path, Keyring(secrets.token_bytes(BYTES), (_slate_key(now),)))
    return _read(path)


def rotate(path: Path, now: int, keep: int = 2) -> Keyring:
    """Sign slates with a new key from now on; the last ``keep`` keys still verify.

    A running service takes the change up by itself. Raises ``ConfigError`` as ``load`` does.
    """
    load(path, now)
    with _writing(path):
        old = _read(path)
        fresh = dataclasses.replace(old, slates=(_slate_key(now), *old.slates)[:keep])
        _write(path, fresh)
    return fresh


@dataclass(frozen=True, slots=True)
class _StoredKey:
    id: str
    secret: str
    created: int


@dataclass(frozen=True, slots=True)
class _Stored:
    pseudonyms: str
    slates: tuple[_StoredKey, ...]


_STORED = TypeAdapter(_Stored)


def _slate_key(now: int) -> SlateKey:
    return SlateKey(secrets.token_hex(2), secrets.token_bytes(BYTES), now)


def _read(path: Path) -> Keyring:
    try:
        stored = _STORED.validate_json(path.read_bytes())
        slates = tuple(SlateKey(k.id, _secret(k.secret), k.created) for k in stored.slates)
        if not slates:
            raise ValueError("it holds no slate key")
        return Keyring(_secret(stored.pseudonyms), slates)
    except OSError as error:
        raise ConfigError(f"cannot read the keyring {path}: {error.strerror}") from error
    except (ValidationError, ValueError) as error:
        # The error's own words could quote a secret.
        raise ConfigError(
            f"the keyring {path} is damaged; restore it from a backup, or move it away to begin"
            " anew, whereupon every known reader is a stranger"
        ) from error


def _secret(text: str) -> bytes:
    secret = base64.b64decode(text, validate=True)
    if len(secret) != BYTES:
        raise ValueError(f"a secret has {len(secret)} bytes, not {BYTES}")
    return secret


def _write(path: Path, keyring: Keyring) -> None:
    stored = _Stored(
        _text(keyring.pseudonyms),
        tuple(_StoredKey(k.id, _text(k.secret), k.created) for k in keyring.slates),
    )
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_STORED.dump_json(stored))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write the keyring {path}: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=30):
            yield
    except OSError as error:
        raise ConfigError(f"cannot write the keyring {path}: {error.strerror}") from error
