"""Shows which articles are taken for grave or light, by which words, and puts them right."""

import time
from dataclasses import dataclass

from flask import Blueprint, Response, abort, redirect, request, url_for

from data import rules, search
from data.scope import Scope
from recsys.rules import Action, Aim, Rule
from recsys.tone import Opinion, lead_of
from recsys.types import Article, ArticleId, Tone
from service.access import decides
from service.desk import session
from service.desk.pages import page
from service.desk.session import role
from service.holder import Holder
from service.settings import Settings

LATEST = 200
"""Articles that are looked at, the newest of all sites."""
SHOWN = 40
NEAR = 0.15
"""How far from a threshold a chance may be to be called near it."""
WORDS = 6
"""Words that are shown of those that decided."""
CLASSIFIER = "the classifier"
CHOICES = Tone.GRAVE, Tone.LIGHT, Tone.NEUTRAL
DONE = {"said": "Said. It counts in every box within two seconds."}


@dataclass(frozen=True, slots=True)
class Judged:
    """One article with its tone."""

    article: Article
    tone: Tone
    """What counts."""
    by: str
    """Who said so."""
    opinion: Opinion
    """What the classifier thinks of it."""
    near: bool
    """Whether the classifier decides and nearly thought otherwise."""
    words: tuple[tuple[str, float, float], ...]
    """Those that decided, and what each added for grave and for light, in log odds."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/tone``."""

    @desk.get("/tone", endpoint="tone")
    def tone() -> Response:
        return _list()

    @desk.post("/tone")
    @role(Scope.EDITOR)
    def tone_say() -> Response:
        sent, now = request.form, int(time.time())
        said, value = sent.get("tone", ""), sent.get("article", "")
        if said not in CHOICES:
            abort(422, f"There is no tone {said!r} to say.")
        article, earlier = _article(value), _corrections(now, value)
        before = _judged(article, earlier)
        reason = f"was {before.tone or 'unknown'}, said {before.by}"
        rule = Rule("", Action.TONE, Aim.ARTICLE, value, tone=Tone(said), start=now, reason=reason)
        if not decides(session.known().key, rule.site):
            abort(403, "Your key is for some sites only, and a tone counts on all of them.")
        rules.add(holder.store, rule, session.actor())
        for one in earlier:
            rules.undo(holder.store, one.id, session.actor(), now, "said anew")
        holder.nudge()
        return redirect(url_for("desk.tone", done="said", q=sent.get("q") or None), 303, Response)  # type: ignore[return-value]

    def _list() -> Response:
        looked, now = request.args.get("q", "").strip(), int(time.time())
        corrected = _corrections(now)
        found = search.find(holder.store, looked, SHOWN if looked else LATEST)
        judged = [_judged(article, corrected) for article in found]
        told = judged if looked else [one for one in judged if _worth(one)]
        return page(
            "tone.html",
            judged=told[:SHOWN],
            looked=looked,
            latest=len(found),
            choices=CHOICES,
            corrected=[(rule, _title(rule)) for rule in corrected],
            site=settings.site_name,
            done=DONE.get(request.args.get("done", "")),
        )

    def _corrections(now: int, value: str = "") -> list[Rule]:
        standing = rules.active(holder.store, now)
        return [r for r in standing if r.action == Action.TONE and value in ("", r.value)]

    def _judged(article: Article, corrected: list[Rule]) -> Judged:
        opinion = holder.engine.bundle.tone.explain(lead_of(article))
        rule = next((r for r in corrected if r.value == str(article.id)), None)
        if rule:
            tone, by = rule.tone, f"{rule.author} here"
        elif article.tone:
            tone, by = article.tone, "the publisher"
        else:
            tone, by = opinion.tone, CLASSIFIER
        unsure = any(
            abs(chance - threshold) < NEAR
            for chance, threshold in zip(opinion.chances, opinion.thresholds, strict=True)
        )
        near = unsure and by == CLASSIFIER
        words = tuple((w.term, w.grave, w.light) for w in opinion.words[:WORDS])
        return Judged(article, tone, by, opinion, near, words)

    def _article(value: str) -> Article:
        try:
            found = holder.store.article(ArticleId.parse(value))
        except ValueError:
            found = None
        return found or abort(404, f"There is no article {value!r}.")

    def _title(rule: Rule) -> str:
        found = holder.store.article(rule.article)
        return found.title if found else rule.value


def _worth(one: Judged) -> bool:
    return one.near or one.tone in (Tone.GRAVE, Tone.LIGHT)
