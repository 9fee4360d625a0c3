"""Knows who is at the desk: sessions, roles, and forms that others forged."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, abort, current_app, g, redirect, request, url_for

from data import access, sessions
from data.access import ApiKey
from data.audit import Actor
from data.scope import Scope
from data.sessions import Session
from service.access import origin
from service.holder import Holder

ROLES = Scope.ADMIN, Scope.EDITOR, Scope.VIEWER
"""The highest first."""
View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks for a page."""

    key: ApiKey
    session: Session | None = None
    """None where the request brought the key itself."""

    def may(self, role: Scope, site: str = "") -> bool:
        """Return whether the key opens a role, and where a site is named, for that site."""
        return self.key.may(role, site)

    @property
    def role(self) -> Scope | None:
        """The highest that the key opens; None where it opens no page."""
        return next((role for role in ROLES if self.key.may(role)), None)

    @property
    def csrf(self) -> str:
        """What each form must bring back."""
        return self.session.csrf if self.session else ""

    @property
    def actor(self) -> Actor:
        """The same for the audit log."""
        return Actor(self.key.name, self.key.id, g.get("request_id", ""))


def person() -> Person | None:
    """Return who asks, None on the pages before signing in."""
    found: Person | None = g.get("person")
    return found


def known() -> Person:
    """Return who asks; only for pages that need a role."""
    found = person()
    assert found is not None
    return found


def actor() -> Actor:
    """Return the same for the audit log."""
    return known().actor


def role(needed: Scope) -> Callable[[View], View]:
    """Mark a view as one that needs more than to see: ``@role(Scope.EDITOR)`` below its route."""

    def marked(view: View) -> View:
        view.role = needed  # type: ignore[attr-defined]
        return view

    return marked


def anybody(view: View) -> View:
    """Mark a view that asks for no key, below its route."""
    view.role = None  # type: ignore[attr-defined]
    return view


def guard(desk: Blueprint, holder: Holder) -> None:
    """Let nobody pass to a view without the role that it needs, nor with a forged form."""

    @desk.before_request
    def check() -> Any:
        g.person = _bearer(holder) or _signed_in(holder)
        if request.method == "POST":
            _require_own_page()
        needed = getattr(current_app.view_functions[request.endpoint or ""], "role", Scope.VIEWER)
        if needed is None:
            return None
        found = person()
        if found is None:
            wanted = request.full_path.rstrip("?")
            return redirect(url_for("desk.login", next=wanted), 303)
        if not found.may(needed):
            abort(403, _needs(found, needed))
        if request.method == "POST":
            _require_own_form(found)
        return None


def keys(holder: Holder) -> dict[str, ApiKey]:
    """Return the keys by id, from the store: what was revoked a moment ago opens nothing."""
    return {key.id: key for key in access.keys(holder.store)}


def cookie() -> str:
    """Return the name of the cookie that holds a session's token."""
    # Browsers let nobody but an https page set a cookie of this name: not even a sister site.
    return "__Secure-desk" if request.is_secure else "desk"


def _bearer(holder: Holder) -> Person | None:
    given = request.headers.get("Authorization", "")
    if not given:
        return None
    if request.method not in ("GET", "HEAD"):
        abort(403, "A key in the header reads pages only. Programs make rules over /v1/rules.")
    scheme, _, token = given.partition(" ")
    now = int(time.time())
    key = access.check(keys(holder), token.strip(), now) if scheme.lower() == "bearer" else None
    if key is None:
        abort(401, "The key is unknown, revoked or expired.")
    return Person(key)


def _signed_in(holder: Holder) -> Person | None:
    """Return whose session the cookie names; it is as good as its key is now."""
    token, now = request.cookies.get(cookie(), ""), int(time.time())
    session = sessions.find(holder.store, token, now) if token else None
    key = keys(holder).get(session.key) if session else None
    return Person(key, session) if key and key.usable(now) else None


def _require_own_page() -> None:
    """Refuse a form that another site's page sent; browsers tell, and no script can change it."""
    told, own = request.headers.get("Sec-Fetch-Site"), origin(request.host_url)
    if told == "same-origin" or (told is None and request.headers.get("Origin") == own):
        return
    abort(403, "This form did not come from a page of the desk. Open the page here and try again.")


def _require_own_form(found: Person) -> None:
    given = request.form.get("csrf", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(given, found.csrf.encode()) or not found.csrf:
        abort(403, "This form is from before you signed in. Open its page anew and send it again.")


def _needs(found: Person, needed: Scope) -> str:
    own = f"a key of the role {found.role}" if found.role else "a key for systems, not for people"
    article = "an" if needed[0] in "ae" else "a"
    return (
        f"This needs {article} {needed}. You are here with {found.key.name!r}, {own}. Whoever runs"
        f" the service makes another one: recsys keys create NAME --scope {needed}"
    )
