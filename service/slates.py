"""Signs what a page was shown, so that nobody can report a click on what never was."""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from data.keyring import Keyring, SlateKey
from recsys.types import ArticleId

VERSION = 1
LIFE = 2 * 86_400
"""Seconds in which what was shown may be seen and clicked; a page may stay open overnight."""
LONGEST = 2_000
"""Characters of a token of the largest slate, and some."""
_HEAD = struct.Struct(">BHIBB")
_SLOT = struct.Struct(">8sf")
_MAC = 16


class Forged(Exception):
    """A token that this installation has not signed, or too long ago; says which."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token proves."""

    id: str
    """Of the slate."""
    site: str
    """Of the page that showed it."""
    at: int
    """When, UTC seconds."""
    slots: tuple[tuple[bytes, float], ...]
    """Digest of the article and propensity of each slot."""
    arm: str = ""
    """``EXPERIMENT/ARM`` that made it; empty outside of an experiment."""

    def propensity(self, article: ArticleId, position: int) -> float | None:
        """Return the propensity of an article in a slot, None where it was not shown there."""
        if not 0 <= position < len(self.slots):
            return None
        digest, propensity = self.slots[position]
        return propensity if hmac.compare_digest(digest, _digest(article)) else None


def sign(
    id: str,
    site: str,
    at: int,
    slots: Sequence[tuple[ArticleId, float]],
    keyring: Keyring,
    arm: str = "",
) -> str:
    """Return the token of a slate: ``ID.PAYLOAD.MAC``, safe in a URL.

    ``slots`` are the articles with their propensities (kept as float32) from the first slot on.
    The MAC is HMAC-SHA256, cut to 128 bits.
    """
    key = keyring.slates[0]
    name = site.encode()
    payload = _HEAD.pack(VERSION, int(key.id, 16), at, len(name), len(slots)) + name
    payload += b"".join(_SLOT.pack(_digest(article), chance) for article, chance in slots)
    payload += arm.encode()  # last: tokens of before there were experiments end here
    signed = f"{id}.{_text(payload)}"
    return f"{signed}.{_text(_mac(key, signed))}"


def read(token: str, keyring: Keyring, now: int) -> Shown:
    """Return what a token proves at ``now`` (UTC seconds); raises ``Forged`` where it does not."""
    signed, _, mac = token.rpartition(".")
    id, _, text = signed.partition(".")
    try:
        payload, given = _bytes(text), _bytes(mac)
        version, number, at, length, count = _HEAD.unpack_from(payload)
    except (binascii.Error, struct.error, ValueError) as error:
        raise Forged("is no token of this service") from error
    key = next((key for key in keyring.slates if int(key.id, 16) == number), None)
    if key is None or version != VERSION:
        raise Forged("is signed with a key that is no longer in use")
    if not hmac.compare_digest(_mac(key, signed), given):
        raise Forged("is not what this service has signed")
    if not at - 60 <= now <= at + LIFE:
        raise Forged(f"is older than {LIFE // 3600} hours")
    start = _HEAD.size + length
    end = start + count * _SLOT.size
    slots = _SLOT.iter_unpack(payload[start:end])
    return Shown(id, payload[_HEAD.size : start].decode(), at, tuple(slots), payload[end:].decode())


def _mac(key: SlateKey, signed: str) -> bytes:
    return hmac.digest(key.secret, signed.encode("utf-8", "surrogatepass"), hashlib.sha256)[:_MAC]


def _digest(article: ArticleId) -> bytes:
    return hashlib.blake2b(str(article).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    # The last character has bits to spare: only one way to write a token is right.
    if _text(data) != text:
        raise ValueError("not canonical")
    return data
