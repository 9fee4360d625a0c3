"""Signs what a page was shown, so that nobody can report a click on what never was."""

import base64
import binascii
import functools
import hashlib
import hmac
import struct
from dataclasses import dataclass

from data.keyring import Keyring, SlateKey
from recsys.types import ArticleId, Slate

VERSION = 2
BEFORE = 1
"""Of tokens that tell neither sources nor bundle nor placement; read until the last has aged."""
SOURCES = (
    *("", "related", "co_read", "trending", "personal", "latest", "exploration"),
    *("editors", "sponsored"),
)
"""What a card's byte stands for. Tokens outlive a deployment: names are only ever added."""
_NUMBERS = {source: number for number, source in enumerate(SOURCES)}
LIFE = 2 * 86_400
"""Seconds in which what was shown may be seen and clicked; a page may stay open overnight."""
LONGEST = 2_000
"""Characters of a token of the largest slate, and some."""
_HEAD = struct.Struct(">BHIBB")
_SLOT = struct.Struct(">8sfB")
_SLOT_BEFORE = struct.Struct(">8sf")
_TAIL = struct.Struct(">BB")
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
    slots: tuple[tuple[bytes, float, int], ...]
    """Digest of the article, propensity and place in ``SOURCES`` of each slot."""
    arm: str = ""
    """``EXPERIMENT/ARM`` that made it; empty outside of an experiment."""
    bundle: str = ""
    """Id of the bundle that made it."""
    placement: str = ""
    """Where it stood, as in ``Query``."""

    def propensity(self, article: ArticleId, position: int) -> float | None:
        """Return the propensity of an article in a slot, None where it was not shown there."""
        if not 0 <= position < len(self.slots):
            return None
        digest, propensity, _ = self.slots[position]
        return propensity if hmac.compare_digest(digest, _digest(article)) else None

    def source(self, position: int) -> str:
        """Return what spoke most for the card of a slot, empty where the token does not tell."""
        number = self.slots[position][2]
        return SOURCES[number] if number < len(SOURCES) else ""


def sign(
    slate: Slate, site: str, at: int, keyring: Keyring, arm: str = "", placement: str = ""
) -> str:
    """Return the token of a slate as it is drawn: ``ID.PAYLOAD.MAC``, safe in a URL.

    Propensities are kept as float32. The MAC is HMAC-SHA256, cut to 128 bits.
    """
    key = keyring.slates[0]
    name, bundle, place = site.encode(), slate.bundle_id.encode(), placement.encode()
    head = _HEAD.pack(VERSION, int(key.id, 16), at, len(name), len(slate.items))
    slots = [
        _SLOT.pack(_digest(item.article), item.propensity, _NUMBERS.get(item.source, 0))
        for item in slate.items
    ]
    tail = _TAIL.pack(len(bundle), len(place))
    payload = b"".join([head, name, *slots, tail, bundle, place, arm.encode()])
    signed = f"{slate.id}.{_text(payload)}"
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
    if key is None or version not in (VERSION, BEFORE):
        raise Forged("is signed with a key that is no longer in use")
    if not hmac.compare_digest(_mac(key, signed), given):
        raise Forged("is not what this service has signed")
    # One from a time to come was signed here before the clock was set back, or on a machine ahead.
    if abs(now - at) > LIFE:
        raise Forged(f"is older than {LIFE // 3600} hours")
    return _told(id, payload, version, at, length, count)


def _told(id: str, payload: bytes, version: int, at: int, length: int, count: int) -> Shown:
    """Return what a payload says; its signature is known to be right."""
    start = _HEAD.size + length
    site = payload[_HEAD.size : start].decode()
    slot = _SLOT if version == VERSION else _SLOT_BEFORE
    end = start + count * slot.size
    slots = tuple(slot.iter_unpack(payload[start:end]))
    if version == BEFORE:
        plain = tuple((digest, propensity, 0) for digest, propensity in slots)
        return Shown(id, site, at, plain, payload[end:].decode())
    widths = _TAIL.unpack_from(payload, end)
    bundle = end + _TAIL.size
    place = bundle + widths[0]
    arm = place + widths[1]
    return Shown(
        id,
        site,
        at,
        slots,
        payload[arm:].decode(),
        payload[bundle:place].decode(),
        payload[place:arm].decode(),
    )


def _mac(key: SlateKey, signed: str) -> bytes:
    return hmac.digest(key.secret, signed.encode("utf-8", "surrogatepass"), hashlib.sha256)[:_MAC]


@functools.lru_cache(20_000)
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
