"""Opens the desk to whoever brings a key, and closes it behind them."""

import re
import time

from flask import Blueprint, Response, redirect, request, url_for

from data import access, audit, sessions
from data.access import ApiKey
from data.audit import Actor
from service.desk import session
from service.desk.pages import page
from service.desk.session import Person, anybody
from service.holder import Holder
from service.limits import Window, address
from service.settings import Settings

FAILURES, MINUTES = 10, 10
"""How many wrong keys one address may try, in how long; each worker counts for itself."""
_WITHIN = re.compile(r"/desk(/(?!.*\.\.)[\w\-./?=&%+:~,*@]*)?", re.ASCII)


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/login`` and ``/desk/logout``."""
    failures = Window(FAILURES, MINUTES * 60, settings.limits.remembered)

    @desk.get("/login")
    @anybody
    def login() -> Response:
        return page("login.html", next=_within(request.args.get("next", "")))

    @desk.post("/login")
    @anybody
    def sign_in() -> Response:
        then, now = _within(request.form.get("next", "")), int(time.time())
        if not failures.take(address(), 0):
            return _too_many(then)
        known, given = session.keys(holder), request.form.get("key", "").strip()
        key = access.check(known, given, now)
        if key is None or Person(key).role is None:
            failures.take(address())
            named = given.split("_")[1] if given.count("_") > 1 else ""
            subject = named if named in known else ""
            _write_down(holder, Actor("nobody"), "session.refuse", subject, now)
            return page("login.html", 403, next=then, errors={"key": _refusal(key)})
        # Always a new token: one that somebody else had put into this browser opens nothing.
        if old := request.cookies.get(session.cookie()):
            sessions.end(holder.store, old)
        token, _ = sessions.begin(holder.store, key.id, now)
        _write_down(holder, Person(key).actor, "session.begin", key.id, now)
        response = _go(then or url_for("desk.start"))
        response.set_cookie(session.cookie(), token, **_kept())
        return response

    @desk.get("/logout")
    @anybody
    def gone() -> Response:
        return _go(url_for("desk.start"))

    @desk.post("/logout")
    def logout() -> Response:
        who = session.actor()
        sessions.end(holder.store, request.cookies.get(session.cookie(), ""))
        _write_down(holder, who, "session.end", who.key, int(time.time()))
        response = _go(url_for("desk.login"))
        response.delete_cookie(session.cookie(), **_kept())
        return response


def _kept() -> dict[str, object]:
    """Return how a browser keeps the cookie: for the desk, from scripts and from other sites."""
    return {
        "path": "/desk",
        "secure": request.is_secure,
        "httponly": True,
        "samesite": "Strict",
    }


def _go(address: str) -> Response:
    return redirect(address, 303, Response)  # type: ignore[return-value]


def _too_many(then: str) -> Response:
    said = f"Too many wrong keys came from your address. Try again in {MINUTES} minutes."
    response = page("login.html", 429, next=then, errors={"key": said})
    response.headers["Retry-After"] = str(MINUTES * 60)
    return response


def _within(address: str) -> str:
    """Return the address to go to after signing in: one of the desk, or none."""
    return address if len(address) < 2_000 and _WITHIN.fullmatch(address) else ""


def _refusal(key: ApiKey | None) -> str:
    if key is None:
        return "This key is unknown, revoked or expired."
    return f"The key {key.name!r} opens no desk: it has none of the scopes viewer, editor, admin."


def _write_down(holder: Holder, who: Actor, action: str, subject: str, now: int) -> None:
    with holder.store.writing() as connection:
        audit.record(connection, who, action, subject, now, address=address())
