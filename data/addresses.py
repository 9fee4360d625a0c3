"""Says which addresses of articles and pictures may be kept, and which may be shown."""

import re

# Rust's regex engine, pydantic's, reads ``$`` as the very end, a final newline included.
KEPT = r"^(https?://[^\s/?#\x00-\x1f\x7f-\x9f][^\s\x00-\x1f\x7f-\x9f]*|/([^\s/\\\x00-\x1f\x7f-\x9f][^\s\x00-\x1f\x7f-\x9f]*)?)$"
"""What a publisher may tell: http(s), or a path from the root of the site; all of it is safe."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def safe(address: str) -> bool:
    """Return whether an address is http(s) or relative; ``javascript:`` and its like are not.

    For whoever makes a link or a picture of one: a store may hold what no importer saw. Browsers
    skip control characters and spaces in a scheme, so an address with any is refused.
    """
    if not address or any(character <= " " for character in address):
        return False
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[0].lower() in ("http:", "https:")
