"""Says which addresses of articles and pictures may be kept, and which may be shown."""

import re
from urllib.parse import urlsplit

# Rust's regex engine, pydantic's, reads ``$`` as the very end, a final newline included.
KEPT = r"^(https?://[^\s/?#\x00-\x1f\x7f-\x9f][^\s\x00-\x1f\x7f-\x9f]*|/([^\s/\\\x00-\x1f\x7f-\x9f][^\s\x00-\x1f\x7f-\x9f]*)?)$"
"""What a publisher may tell, if it is safe: http(s), or a path from the root of the site."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

_PLAIN = re.compile(r"(?:https?:/)?/[A-Za-z0-9._~%+,;=/-]+")
"""Most addresses: nothing in them could be taken for anything else."""


def safe(address: str) -> bool:
    """Return whether an address is http(s) or relative; ``javascript:`` and its like are not.

    For whoever makes a link or a picture of one: a store may hold what no importer saw. Browsers
    skip control characters and spaces in a scheme, so an address with any is refused, and so is one
    that cannot be taken apart: joining it to another would fail.
    """
    if _PLAIN.fullmatch(address):
        return True
    if not address or any(character <= " " for character in address):
        return False
    try:
        urlsplit(address)
    except ValueError:  # a host in brackets that is none, or with odd letters
        return False
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[0].lower() in ("http:", "https:")
