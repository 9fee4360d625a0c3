"""What admins and editors see and change beside rules: bundles, tones, keys, and who did what."""

import re
import time

import pytest
from sqlalchemy import text

from data import audit, rules, runs
from data.scope import Scope
from recsys import manifest, shelf
from recsys.rules import Action, Aim, Rule
from recsys.types import Tone
from training.gate import Gate
from training.recipe import Recipe
from training.run import run

PAGES = "/", "/rules", "/tone", "/bundles", "/health"
OF_ADMINS = "/keys", "/log"


@pytest.fixture
def admin(sit):
    return sit(Scope.ADMIN)


@pytest.mark.parametrize("path", [*PAGES, *OF_ADMINS])
def test_every_page_is_there_before_anything_was_learned(admin, path):
    answer = admin.get(f"/desk{path}")
    assert answer.status_code == 200, answer.text
    assert 'aria-current="page"' in answer.text


@pytest.mark.parametrize("path", OF_ADMINS)
def test_editors_neither_see_nor_find_the_pages_of_admins(sit, path):
    editor = sit(Scope.EDITOR)
    assert editor.get(f"/desk{path}").status_code == 403
    assert f'href="/desk{path}"' not in editor.get("/desk/").text


# Overview and health


def test_the_overview_says_what_needs_attention(admin, store, settings):
    assert "Nothing has been learned yet" in admin.get("/desk/").text
    now = int(time.time())
    stop = Rule("", Action.STOP, Aim.ARTICLE, "daily/a-1", start=now, reason="libel", end=now + 60)
    rules.add(store, stop, audit.Actor("anna"))
    page = admin.get("/desk/").text
    assert "A story is stopped on every site: libel." in page
    assert "A rule ends within a day: libel." in page


def test_nothing_needs_attention_while_all_is_well(learned, admin, holder):
    holder.refresh(int(time.time()))
    page = admin.get("/desk/").text
    assert "Nothing needs attention" in page, page
    assert "24 of 24 articles of the last 3 days stood in no box" in page


def test_a_bundle_that_cannot_be_served_is_told_with_the_reason(learned, admin, holder, settings):
    holder.refresh(int(time.time()))
    (settings.bundles / "broken").mkdir()
    (settings.bundles / "current").write_text("broken\n")
    holder.refresh(int(time.time()))
    for path in ("/desk/", "/desk/bundles", "/desk/health"):
        page = admin.get(path).text
        assert "refused" in page, path
        assert "there is no bundle in" in page, path


def test_health_tells_what_the_store_holds_and_what_was_served(learned, app, admin, holder):
    holder.refresh(int(time.time()))
    assert app.test_client().get("/v1/recommendations?site=daily&key=a-1").json["items"]
    page = admin.get("/desk/health").text
    assert "24 up, 0 withdrawn" in page
    assert "120; the newest happened" in page
    assert learned[0] in page
    assert re.search(r"Slots filled</dt><dd>\d+\.\d%", page)


def test_health_and_overview_tell_how_jobs_went(learned, admin, holder, store):
    assert "none has run yet" in admin.read("/desk/health")
    now = int(time.time())
    for step, status in enumerate(("failed", "failed", "done", "held", "done")):
        run = runs.begin(store, "retrain", now - 3600 * (5 - step))
        runs.end(store, run, run.started + 70, status, f"word {step}")
    run = runs.begin(store, "backup", now - 60)
    runs.end(store, run, now - 50, "failed", "no room on the <disk>")
    page = admin.read("/desk/health")
    assert "none has run yet" not in page
    assert re.search(r"backup \S+ \S+ \S+ \S+ UTC failed 10 s no room on the <disk> not yet", page)
    assert re.search(r"retrain [^-]* done 70 s word 4 \d+ \S+ \d+, \S+ UTC retrain .* word 3", page)
    assert "word 1" not in page
    assert "The last backup: no room on the <disk>." in admin.read("/desk/")
    assert "The last retrain" not in admin.read("/desk/")


def test_a_store_that_fails_is_said_in_words(admin, store):
    with store.writing() as connection:
        connection.execute(text("DROP TABLE api_keys"))
    answer = admin.get("/desk/health")
    assert answer.status_code == 503
    assert answer.mimetype == "text/html"
    assert "The store cannot be reached" in answer.text
    assert "api_keys" not in answer.text


# Bundles


def test_bundles_are_listed_with_what_is_known_of_them(learned, sit, holder, settings):
    holder.refresh(int(time.time()))
    viewer = sit(Scope.VIEWER)
    page = viewer.get("/desk/bundles").text
    assert all(id in page for id in learned)
    assert "not judged" in page
    assert "Roll back" not in page
    one = viewer.get(f"/desk/bundles/{learned[0]}").text
    assert f"<dt>Made after</dt><dd>{learned[1]}</dd>" in one
    assert all(name in one for name in manifest.read(settings.bundles / learned[0]).files)
    for wrong in ("none", "..", "%2e%2e%2fx"):
        assert viewer.get(f"/desk/bundles/{wrong}").status_code == 404


def test_a_bundle_tells_what_the_gate_found_who_forced_it_and_who_went_back(
    learned, admin, settings, store, holder
):
    why = "the outage of Tuesday is known"
    strict = {"gate": Gate(event_age=0.0), "force": True, "by": "anna", "why": why}
    now = int(time.time()) + 60
    made = run(store, settings.bundles, Recipe(dims=8, factors=8), now, **strict)
    holder.refresh(now)
    assert re.search(r"forced</span>", admin.get("/desk/bundles").text)
    page = admin.read(f"/desk/bundles/{made.id}")
    assert f"forced by anna: {why}" in page
    assert re.search(r"It did not pass: The newest event is .* old; at most 0 seconds", page)
    assert "Quality was not measured" in page
    assert re.search(r"newest event broken \d", page)
    assert re.search(r"bytes kept [\d,]+", page)
    assert "Rolled back" not in page
    admin.post("/desk/bundles", left=made.id, sure="yes")
    assert re.search(
        rf"Rolled back .* by admin's to {learned[0]}", admin.read(f"/desk/bundles/{made.id}")
    )


def test_an_admin_goes_back_to_the_bundle_of_before(learned, admin, settings, holder, store):
    holder.refresh(int(time.time()))
    done = admin.post("/desk/bundles", follow=True, left=learned[0], sure="yes")
    assert "The bundle of before is current again" in done.text
    assert shelf.current(settings.bundles) == learned[1]
    entry = audit.entries(store, 1)[0]
    assert (entry.action, entry.subject) == ("bundle.rollback", learned[1])
    assert entry.detail == {"left": learned[0]}
    assert entry.actor == "admin's"


def test_a_rollback_wants_to_be_meant_and_happens_once(learned, admin, settings):
    assert admin.post("/desk/bundles", left=learned[0]).status_code == 422
    assert shelf.current(settings.bundles) == learned[0]
    admin.post("/desk/bundles", left=learned[0], sure="yes")
    again = admin.post("/desk/bundles", left=learned[0], sure="yes")
    assert again.status_code == 422
    assert "Meanwhile another bundle has become current" in again.text
    last = admin.post("/desk/bundles", left=learned[1], sure="yes")
    assert last.status_code == 422
    assert shelf.current(settings.bundles) == learned[1]


def test_a_rollback_that_cannot_be_done_is_not_written_down(learned, admin, settings, store):
    admin.post("/desk/bundles", left=learned[0], sure="yes")
    admin.post("/desk/bundles", left=learned[1], sure="yes")
    assert [e.action for e in audit.entries(store)].count("bundle.rollback") == 1


def test_editors_roll_nothing_back(learned, sit, settings):
    answer = sit(Scope.EDITOR).post("/desk/bundles", left=learned[0], sure="yes")
    assert answer.status_code == 403
    assert shelf.current(settings.bundles) == learned[0]


# Tone


@pytest.fixture
def war(store, describe):
    body = "Soldiers were killed and dozens wounded as missiles struck the city. " * 5
    war = describe("daily", 60, title="Dozens killed in missile attack on city", body=body)
    store.put_articles([war])
    return war


def test_what_is_grave_is_listed_with_the_words_that_decided(war, sit):
    page = sit(Scope.VIEWER).get("/desk/tone").text
    assert war.title in page
    assert "says the classifier" in page
    assert re.search(r"<b>killed</b> \(\+\d", page), page
    assert "Undo" not in page
    assert 'name="tone"' not in page


def test_an_editor_puts_a_tone_right_and_takes_it_back(war, sit, store):
    editor = sit(Scope.EDITOR)
    done = editor.post("/desk/tone", follow=True, article=str(war.id), tone="neutral")
    assert "It counts in every box within two seconds" in done.text
    assert "was grave, said the classifier" in done.text
    (rule,) = rules.rules(store)
    assert (rule.action, rule.value, rule.tone) == (Action.TONE, str(war.id), Tone.NEUTRAL)
    assert "says editor&#39;s here" in editor.get(f"/desk/tone?q={war.key}").text
    editor.post(f"/desk/rules/{rule.id}", reason="the correction was wrong")
    page = editor.get("/desk/tone").text
    assert "No correction counts now" in page
    assert "says the classifier" in page


def test_the_last_word_counts_alone(war, sit, store):
    editor = sit(Scope.EDITOR)
    for tone in ("neutral", "light", "light"):
        assert editor.post("/desk/tone", article=str(war.id), tone=tone).status_code == 303
    standing = rules.active(store, int(time.time()))
    assert [rule.tone for rule in standing] == [Tone.LIGHT]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"article": "daily/none", "tone": "grave"}, 404),
        ({"article": "none", "tone": "grave"}, 404),
        ({"article": "daily/a-1", "tone": ""}, 422),
        ({"article": "daily/a-1", "tone": "funny"}, 422),
    ],
)
def test_a_tone_of_nothing_is_not_said(sit, store, sent, status):
    answer = sit(Scope.EDITOR).post("/desk/tone", **sent)
    assert answer.status_code == status
    assert answer.mimetype == "text/html"
    assert rules.rules(store) == []


# Keys and the audit log


def test_keys_are_listed_without_their_secrets(admin, key):
    token = key(Scope.ARTICLES)
    page = admin.get("/desk/keys").text
    assert token.split("_")[1] in page
    assert token.split("_")[2] not in page
    assert "articles&#39;s" in page


def test_a_revoked_key_and_its_sessions_are_good_for_nothing_at_once(admin, sit):
    editor = sit(Scope.EDITOR)
    id = editor.token.split("_")[1]
    assert admin.post("/desk/keys", id=id, sure="other", act="revoke").status_code == 422
    assert editor.get("/desk/").status_code == 200
    done = admin.post("/desk/keys", follow=True, id=id, sure=id, act="revoke")
    assert "The key is revoked" in done.text
    assert editor.get("/desk/").status_code == 303
    assert editor.login(editor.token).status_code == 403
    assert admin.post("/desk/keys", id=id, sure=id, act="revoke").status_code == 422


def test_a_new_token_is_shown_this_once(app, admin, key):
    old = key(Scope.VIEWER)
    id = old.split("_")[1]
    page = admin.post("/desk/keys", id=id, sure=id, act="rotate")
    (token,) = re.findall(rf"rk_{id}_[\w-]+", page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert token not in admin.get("/desk/keys").text
    for good in (token, old):
        bearer = {"Authorization": f"Bearer {good}"}
        assert app.test_client().get("/desk/", headers=bearer).status_code == 200


def test_who_did_what_is_told_page_by_page(admin, store):
    with store.writing() as connection:
        for n in range(120):
            audit.record(connection, audit.Actor("<b>anna</b>"), "rule.add", f"r{n}", 1_000 + n)
    page, seen = admin.get("/desk/log").text, []
    while True:
        seen += re.findall(r"of=(r\d+)", page)
        older = re.search(r'href="(/desk/log\?before=\d+)">Older', page)
        if not older:
            break
        page = admin.get(older[1]).text
    assert seen == [f"r{n}" for n in reversed(range(120))]
    assert "<b>anna" not in page
    assert "session.begin" in page
    assert admin.get("/desk/log?of=r7").text.count("rule.add") == 1
    assert admin.get("/desk/log?before=99999999999999999999999").status_code == 200
