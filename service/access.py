"""Decides who may write: systems with a key, and browsers on the pages of known sites."""

import time
from urllib.parse import urlsplit

from flask import Response, abort, g, request

from data.access import ApiKey, check
from data.audit import Actor
from data.scope import Scope
from service.holder import Holder
from service.problems import answer
from service.settings import Settings, Site

SECURITY = [{"key": []}]
"""Of an operation that needs a key, in the API's document."""
SCHEME = {"key": {"type": "http", "scheme": "bearer", "description": "recsys keys create"}}


def require(holder: Holder, scope: Scope) -> ApiKey:
    """Return the key of this request; answers 401 or 403 where it does not open ``scope``."""
    key = bearer(holder)
    if key is None:
        abort(_unauthorized("This needs a key: Authorization: Bearer TOKEN."))
    if not key.may(scope):
        abort(answer(403, f"The key {key.name!r} does not have the scope {str(scope)!r}."))
    return key


def bearer(holder: Holder) -> ApiKey | None:
    """Return the key of this request, None where it names none; answers 401 to a wrong one."""
    given = request.headers.get("Authorization", "")
    if not given:
        return None
    scheme, _, token = given.partition(" ")
    now = int(time.time())
    key = check(holder.keys, token.strip(), now) if scheme.lower() == "bearer" else None
    if key is None:
        abort(_unauthorized("The key is unknown, revoked or expired."))
    return key


def decides(key: ApiKey, site: str) -> bool:
    """Return whether a key may make or undo rules for pages of a site, empty for all sites.

    A rule for all sites is none for a key of some.
    """
    return key.may(Scope.EDITOR, site) if site else key.may(Scope.EDITOR) and not key.sites


def actor(key: ApiKey) -> Actor:
    """Return who sends this request, for the audit log."""
    return Actor(key.name, key.id, g.request_id)


def sites_of_origin(settings: Settings) -> set[str] | None:
    """Return the sites whose pages have the origin of this request; None for any site.

    Browsers tell the origin of every post, and no script can change it. The demo's pages have the
    origin of the service itself and stand for every site.
    """
    given = request.headers.get("Origin", "")
    if settings.demo and given and given == origin(request.host_url):
        return None
    return {site for site, one in settings.sites.items() if given and given in origins(one)}


def origins(site: Site) -> set[str]:
    """Return the origins of a site's pages."""
    return {origin(address) for address in (site.url, *site.origins)} - {""}


def origin(address: str) -> str:
    """Return ``scheme://host[:port]`` of an address as browsers write it, empty for a path."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return f"{parts.scheme}://{host}{port}"


def _unauthorized(detail: str) -> Response:
    response = answer(401, detail)
    response.headers["WWW-Authenticate"] = 'Bearer realm="recsys"'
    return response
