"""Shows the trained bundles with what is known of each, and goes back to the one before."""

import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for

from data import audit, depot
from data.scope import Scope
from recsys import manifest, shelf
from recsys.errors import BundleError, Busy
from recsys.manifest import Manifest
from service.desk import session
from service.desk.pages import page
from service.desk.session import role
from service.holder import Holder
from service.settings import Settings

DONE = {"back": "The bundle of before is current again. Every worker takes it within seconds."}
GATE = {"passed": "good", "forced": "bad"}
"""What kind of state it is that the gate said so."""
SHAPES = {"articles": "articles", "visitors": "readers", "stories": "stories"}


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/bundles`` and a page of each."""
    root, spare = settings.bundles, settings.spared

    def before() -> str:
        """Return what a rollback would make current, empty where there is nothing."""
        return (depot.earlier(root, settings.depot.url) or [""])[0]

    @desk.get("/bundles", endpoint="bundles")
    def every() -> Response:
        return _list()

    @desk.post("/bundles")
    @role(Scope.ADMIN)
    def bundles_back() -> Response:
        left = request.form.get("left", "")
        if not request.form.get("sure"):
            return _list({"sure": "Tick the box: this changes what every reader is shown."})
        if left != (shelf.history(root) or [""])[0]:
            return _list({"sure": "Meanwhile another bundle has become current. Look again."})
        try:
            # Written down first: what cannot be written down is not done.
            with holder.store.writing() as connection:
                now, who, then = int(time.time()), session.actor(), before()
                audit.record(connection, who, "bundle.rollback", then, now, left=left)
                depot.rollback(root, settings.depot.url, left, spare)
        except (BundleError, Busy) as error:
            return _list({"sure": f"It cannot be done: {error}."})
        holder.nudge()
        return redirect(url_for("desk.bundles", done="back"), 303, Response)  # type: ignore[return-value]

    @desk.get("/bundles/<id>")
    def bundles_one(id: str) -> Response:
        try:
            stated = manifest.read(shelf.folder(root, id))
        except BundleError as error:
            abort(404, f"{error}.")
        return page(
            "bundle.html",
            one=_shown(stated),
            facts=_facts(stated),
            verdict=stated.verdict,
            rollbacks=audit.rollbacks(holder.store, stated.id),
            files=stated.files,
        )

    def _list(errors: Mapping[str, str] | None = None) -> Response:
        return page(
            "bundles.html",
            422 if errors else 200,
            bundles=[_shown(stated) for stated in shelf.list_bundles(root)],
            damaged=shelf.unreadable(root),
            current=(shelf.history(root) or [""])[0],
            before=before(),
            state=holder.state,
            done=DONE.get(request.args.get("done", "")),
            errors=errors,
        )

    def _shown(stated: Manifest) -> dict[str, Any]:
        past = shelf.history(root)
        place = past.index(stated.id) if stated.id in past else -1
        return {
            "id": stated.id,
            "created": stated.created,
            "data_until": stated.data_until,
            "counts": {name: stated.shapes.get(shape, 0) for shape, name in SHAPES.items()},
            "bytes": sum(file.bytes for file in stated.files.values()),
            "place": {0: "current", -1: "never current"}.get(place, "before"),
            "served": stated.id == holder.state.bundle,
            "metrics": stated.metrics,
            "judged": stated.judged,
            "kind": GATE.get(stated.judged, "idle"),
        }


def _facts(stated: Manifest) -> dict[str, str]:
    marks = ", ".join(f"{name} {value:,}" for name, value in stated.mark.items())
    return {
        "Made after": stated.parent or "none: it is the first",
        "Store read to": marks,
        "Recipe": stated.config_hash,
        "Code": stated.code_version,
        "Embedder": stated.embedder,
        **{name.capitalize(): f"{value:,}" for name, value in stated.shapes.items()},
    }
