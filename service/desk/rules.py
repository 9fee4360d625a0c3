"""Shows what editors decided, takes new decisions, and takes them back."""

import dataclasses
import time
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for

from data import audit, rules, search
from data.scope import Scope
from recsys.errors import DataError, UnknownArticle
from recsys.rules import Action, Aim, Rule
from recsys.types import ArticleId, Card
from service.access import decides
from service.desk import form, session
from service.desk.form import AIMS, FACTORS, KINDS
from service.desk.pages import page
from service.desk.session import role
from service.holder import Holder
from service.settings import Settings

PAST = 50
"""Ended and undone rules that the list shows at first."""
DONE = {
    "made": "The rule is made. It counts in every box within two seconds.",
    "undone": "The rule is undone. Every box forgets it within two seconds.",
}


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/rules``, the form that makes one, and a page of each."""

    @desk.get("/rules", endpoint="rules")
    def every() -> Response:
        shown = [_shown(rule) for rule in rules.rules(holder.store)]
        past = [one for one in shown if one["state"] in ("ended", "undone")]
        return page(
            "rules.html",
            active=[one for one in shown if one["state"] == "active"],
            planned=[one for one in shown if one["state"] == "planned"],
            past=past if "past" in request.args else past[:PAST],
            more=0 if "past" in request.args else len(past[PAST:]),
            kinds=KINDS,
        )

    @desk.get("/rules/new")
    @role(Scope.EDITOR)
    def rules_new() -> Response:
        return _form(_action(), request.args)

    @desk.post("/rules/new")
    @role(Scope.EDITOR)
    def rules_make() -> Response:
        action, sent = _action(), request.form
        rule, wrong = form.read(action, sent, holder.engine.find_url)
        if rule is None or (wrong := _wrong(rule)):
            return _form(action, sent, wrong)
        if action == Action.STOP and not sent.get("sure"):
            return page("stop.html", rule=rule, title=_title(rule), told=_tellings(rule))
        starts = dataclasses.replace(rule, start=rule.start or int(time.time()))
        try:
            made = rules.add(holder.store, starts, session.actor())
        except DataError as error:
            return _form(action, sent, form.fault(error))
        holder.nudge()
        return _go(made.id, "made")

    @desk.get("/rules/<id>")
    def rules_one(id: str) -> Response:
        return _one(_found(id))

    @desk.post("/rules/<id>")
    @role(Scope.EDITOR)
    def rules_undo(id: str) -> Response:
        rule, reason = _found(id), request.form.get("reason", "").strip()
        if not reason:
            return _one(rule, {"reason": "Say why it is undone."})
        if not _may_decide(rule):
            abort(403, "Your key is for other sites than this rule.")
        try:
            undone = rules.undo(holder.store, id, session.actor(), int(time.time()), reason)
        except DataError as error:
            return _one(rule, form.fault(error))
        if not undone:
            return _one(_found(id), {"reason": "It had ended or had been undone before."})
        holder.nudge()
        return _go(id, "undone")

    def _form(action: Action, given: Any, errors: dict[str, str] | None = None) -> Response:
        looked = given.get("q", "")
        return page(
            "rule_form.html",
            422 if errors else 200,
            action=action,
            kind=KINDS[action],
            aims={aim: AIMS[aim] for aim in KINDS[action].aims},
            factor=FACTORS.get(action, ""),
            sites={site: settings.site_name(site) for site in holder.sites()},
            given=given,
            looked=looked,
            found=search.find(holder.store, looked) if looked.strip() else [],
            chosen=_card(given.get("value", "")),
            errors=errors,
        )

    def _one(rule: Rule, errors: dict[str, str] | None = None) -> Response:
        return page(
            "rule.html",
            422 if errors else 200,
            one=_shown(rule),
            history=audit.entries(holder.store, subject=rule.id),
            decides=_may_decide(rule),
            done=DONE.get(request.args.get("done", "")),
            errors=errors,
        )

    def _shown(rule: Rule) -> dict[str, Any]:
        return {
            "rule": rule,
            "state": rules.state(rule, int(time.time())),
            "does": told(rule),
            "title": _title(rule),
            "site": settings.site_name(rule.site) if rule.site else "all sites",
        }

    def _title(rule: Rule) -> str:
        card = _card(rule.value) if rule.aim == Aim.ARTICLE else None
        return card.title if card else rule.value

    def _card(value: str) -> Card | None:
        try:
            return holder.engine.card(ArticleId.parse(value))
        except (ValueError, UnknownArticle):
            return None

    def _tellings(rule: Rule) -> list[Card]:
        """Return the cards of all articles that tell the story."""
        live = holder.engine.live
        catalogue = live.view.catalogue
        row = catalogue.ids.row(rule.value)
        return [live.card(one) for one in catalogue.tellings(row).tolist()] if row >= 0 else []

    def _wrong(rule: Rule) -> dict[str, str]:
        if not _may_decide(rule):
            return {"site": "Your key is for some sites: it decides for the pages of one of these."}
        try:
            rules.check(holder.store, rule, holder.sites(), int(time.time()))
        except DataError as error:
            return form.fault(error)
        return {}

    def _found(id: str) -> Rule:
        return rules.rule(holder.store, id) or abort(404, f"There is no rule {id!r}.")


def told(rule: Rule) -> str:
    """Return in words what a rule does."""
    match rule.action:
        case Action.PIN:
            return f"Pin to slot {rule.slot}"
        case Action.BOOST | Action.BURY:
            return f"{KINDS[rule.action].name}, score × {rule.factor:g}"
        case Action.TONE:
            return f"Tone: {rule.tone}"
        case _:
            return KINDS[rule.action].name


def _action() -> Action:
    given = request.values.get("action", "")
    if given not in KINDS:
        abort(404, f"There is no kind of rule {given!r}.")
    return Action(given)


def _may_decide(rule: Rule) -> bool:
    return decides(session.known().key, rule.site)


def _go(id: str, done: str) -> Response:
    return redirect(url_for("desk.rules_one", id=id, done=done), 303, Response)  # type: ignore[return-value]
