"""Shows an admin who holds a key, gives a key a new token, and takes one away."""

import time
from collections.abc import Mapping

from flask import Blueprint, Response, redirect, request, url_for

from data import access
from data.scope import Scope
from recsys.errors import DataError
from service.desk import session
from service.desk.pages import page
from service.desk.session import role
from service.holder import Holder
from service.settings import Settings

DONE = {"revoked": "The key is revoked. It opens nothing any more, nor do its sessions."}


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/keys``."""

    @desk.get("/keys", endpoint="keys")
    @role(Scope.ADMIN)
    def every() -> Response:
        return _list()

    @desk.post("/keys")
    @role(Scope.ADMIN)
    def keys_act() -> Response:
        id, act, now = request.form.get("id", ""), request.form.get("act"), int(time.time())
        if request.form.get("sure") != id or not id:
            return _list({"sure": "Type the key’s id to say that you mean this one."}, id)
        if act == "revoke":
            if not access.revoke(holder.store, id, now, session.actor()):
                return _list({"sure": f"There is no key {id!r} in use."})
            holder.nudge()
            return redirect(url_for("desk.keys", done="revoked"), 303, Response)  # type: ignore[return-value]
        try:
            token = access.rotate(holder.store, id, now, actor=session.actor())
        except DataError as error:
            return _list({"sure": f"{error}."})
        holder.nudge()
        return page("token.html", id=id, token=token, until=now + access.GRACE)

    def _list(errors: Mapping[str, str] | None = None, id: str = "") -> Response:
        now = int(time.time())
        known = access.keys(holder.store)
        return page(
            "keys.html",
            422 if errors else 200,
            used=[key for key in known if key.usable(now)],
            over=[key for key in known if not key.usable(now)],
            sites=settings.site_name,
            chosen=id or request.args.get("id", ""),
            done=DONE.get(request.args.get("done", "")),
            errors=errors,
        )
