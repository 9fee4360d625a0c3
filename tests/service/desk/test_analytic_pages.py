"""The desk tells what trends, what the box shows and why, what is clicked, and what nobody saw."""

import html
import re
import time

import numpy as np
import pytest

from data import rules
from data.audit import Actor
from data.scope import Scope
from recsys.rules import Action, Aim, Rule
from recsys.types import Event, Kind, Tone
from service.desk import clicks, now
from service.desk.clicks import DAY, LONGEST, Range, read_range

NOW = int(time.time())
TODAY = NOW // DAY * DAY
ANNA = Actor("anna")


def boxes(articles, readers: int = 160, seed: int = 3) -> list[Event]:
    """Readers see boxes of four cards of three days; what stands first is clicked far more."""
    draw = np.random.default_rng(seed)
    events = []
    for reader in range(readers):
        keen = draw.beta(2, 3)
        for box in range(3):
            shown = draw.choice(len(articles), 4, replace=False)
            at = TODAY - box * DAY + int((NOW - TODAY) * draw.random())
            for position, row in enumerate(shown.tolist()):
                told = {
                    "visitor": f"v{reader}",
                    "seen_on": ("daily", "travel")[reader % 2],
                    "slate": f"{reader}-{box}",
                    "position": position,
                    "source": ("related", "co_read")[position % 2],
                    "placement": "article",
                    "bundle": f"b{box}",
                    "arm": ("", "x/plain", "x/bold")[reader % 3],
                }
                id = f"{reader}-{box}-{position}"
                events.append(Event(f"{id}i", Kind.IMPRESSION, articles[row].id, at, **told))
                if draw.random() < keen * (0.7, 0.3, 0.2, 0.2)[position]:
                    events.append(Event(f"{id}c", Kind.CLICK, articles[row].id, at, **told))
    return events


@pytest.fixture
def viewer(sit):
    return sit(Scope.VIEWER)


@pytest.fixture
def editor(taught, sit):
    """An editor at a desk whose boxes have learned."""
    return sit(Scope.EDITOR)


def section(page: str, begin: str, end: str) -> str:
    return page[page.index(begin) :].split(end)[0]


@pytest.mark.parametrize("path", ["now", "box", "clicks", "unseen"])
def test_every_page_needs_a_viewer_and_is_in_the_navigation(app, viewer, path):
    assert f'href="/desk/{path}" aria-current="page"' in viewer.get(f"/desk/{path}").text
    stranger = app.test_client().get(f"/desk/{path}")
    assert stranger.status_code == 303
    assert "/desk/login" in stranger.headers["Location"]


# Now


def test_what_readers_open_stands_on_top_with_its_hours(editor, store, articles, taught):
    hot = articles[3]
    store.put_events(
        Event(f"h{n}", Kind.READ, hot.id, NOW - 60 * n, f"w{n}", f"t{n}") for n in range(40)
    )
    taught.refresh(NOW)
    answer = editor.get("/desk/now")
    daily = answer.text[answer.text.index("The Daily Archipelago") :]
    assert daily.index(hot.title) == min(daily.index(a.title) for a in articles if a.title in daily)
    row = daily[daily.index(hot.title) :].split("</tr>")[0]
    told = re.search(r"Readers by the hour, 24 hours: 0 to (\d+), in the last one (\d+)", row)
    assert told[1] == told[2]
    assert int(told[1]) >= 40
    value = "daily/a-3".replace("/", "(?:/|%2F)")
    for action in ("pin", "boost", "bury", "block", "stop"):
        assert re.search(
            rf"/desk/rules/new\?action={action}&amp;aim=article&amp;value={value}", row
        )
    assert re.search(rf"/desk/box\?article={value}", row)


def test_a_viewer_gets_no_links_to_forms_that_are_not_theirs(viewer):
    assert "rules/new" not in viewer.get("/desk/unseen").text
    assert "Box" in viewer.get("/desk/unseen").text


@pytest.mark.parametrize("window", ["fast", "slow", "rising", "nonsense"])
def test_trends_go_by_any_clock(viewer, window):
    assert "Nothing trends here now." in viewer.read(f"/desk/now?window={window}")


# Clicks


def test_click_rates_are_told_by_everything_with_what_is_more_than_chance(viewer, store, articles):
    events = boxes(articles)
    store.put_events(events)
    page = viewer.read("/desk/clicks")
    clicks = sum(event.kind == Kind.CLICK for event in events)
    assert f"{clicks:,} of 1,920 cards were clicked" in page
    beyond = section(page, "What is more than chance", "The chance of naming")
    assert "Slot: 1 is clicked more than the rest, +" in beyond
    assert "Arm" not in beyond
    assert "Site of the page" not in beyond
    slots = section(page, "Click rate by slot", "Click rate by source")
    assert [row in slots for row in (" 1 ", " 4 ", " 480 ")] == [True] * 3
    for title in ("source", "site of the card", "placement", "bundle", "arm of an experiment"):
        assert f"Click rate by {title}" in page
    assert "in no experiment" in page
    assert "Slow Islands" in section(page, "Click rate by site of the page", "Placement")


def test_clicks_over_time_are_drawn_and_stand_beside_as_numbers(viewer, store, articles):
    store.put_events(boxes(articles))
    answer = viewer.get("/desk/clicks")
    drawing = section(answer.text, '<svg class="line"', "</svg>")
    assert drawing.count("<circle") == 3
    assert "Click rate over time, 3 points: lowest" in drawing
    table = section(answer.text, "Click rate by day", "</table>")
    assert table.count("<tr>") == 1 + 3
    hours = viewer.get(f"/desk/clicks?since={time.strftime('%Y-%m-%d', time.gmtime(NOW - DAY))}")
    assert "Click rate by hour" in hours.text


def test_each_slot_source_site_bundle_and_arm_can_be_followed_over_time(viewer, store, articles):
    store.put_events(boxes(articles))
    page = viewer.get("/desk/clicks?apart=slot").text
    assert [f"Slot: {n}</h3>" in page for n in (1, 2, 3, 4)] == [True] * 4
    first = section(page, "Slot: 1</h3>", "Slot: 2</h3>")
    assert section(first, '<svg class="line"', "</svg>").count("<circle") == 3
    assert first.count('<th scope="row"') == 3
    ends = {section(page, f"Slot: {n}</h3>", "</svg>").split('class="tick"')[3] for n in (1, 4)}
    assert len(ends) == 1  # one scale
    for apart in ("source", "site", "page", "bundle", "arm", "placement"):
        assert "</h3>" in viewer.get(f"/desk/clicks?apart={apart}").text
    assert "</h3>" not in viewer.get("/desk/clicks?apart=nonsense").text


def test_clicks_of_one_site_and_of_some_days_only(viewer, store, articles):
    store.put_events(boxes(articles, 40))
    assert "of 240 cards" in viewer.read("/desk/clicks?page=travel")
    assert "No box has told" in viewer.read("/desk/clicks?placement=newsletter")
    assert "No box has told" in viewer.read("/desk/clicks?since=2020-01-01&until=2020-01-03")


def test_few_readers_are_called_few_and_nothing_is_made_of_them(viewer, store, articles):
    store.put_events(boxes(articles, 20))
    page = viewer.read("/desk/clicks")
    assert "These are too few to say more" in page
    assert "Nothing can be compared yet" in page
    assert "too few" in section(page, "Click rate by slot", "Click rate by source")


def test_more_than_can_be_counted_is_refused_in_words(viewer, store, articles, monkeypatch):
    store.put_events(boxes(articles, 20))
    monkeypatch.setattr(clicks, "MOST", 100)
    monkeypatch.setattr(now, "MOST", 10)
    answer = viewer.get("/desk/clicks")
    assert answer.status_code == 422
    assert "Up to 100 are counted here" in answer.text
    assert "No box has told" not in answer.text
    assert "too busy to count" in viewer.read("/desk/now")


def test_reloading_does_not_ask_the_store_again(viewer, store, articles):
    store.put_events(boxes(articles, 20))
    before = viewer.read("/desk/clicks")
    store.prune_events(NOW + DAY)
    assert viewer.read("/desk/clicks") == before
    assert "No box has told" in viewer.read("/desk/clicks?page=travel")


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"since": "yesterday"}, "since", "'yesterday' is no day"),
        ({"until": "2026-02-30"}, "until", "is no day"),
        ({"since": "2026-02-03", "until": "2026-02-01"}, "since", "after the last one"),
        ({"since": "1999-01-01", "until": "2026-01-01"}, "since", f"more than {LONGEST} days"),
        ({"since": "9" * 500}, "since", "is no day"),
    ],
)
def test_days_that_make_no_sense_are_told_by_their_field(viewer, given, field, said):
    asked, errors = read_range(given, NOW)
    assert list(errors) == [field]
    assert said in errors[field]
    assert asked == Range(TODAY - 6 * DAY, TODAY + DAY)
    answer = viewer.get("/desk/clicks", query_string=given)
    assert answer.status_code == 422
    assert html.escape(errors[field], quote=True).replace("&#x27;", "&#39;") in answer.text


def test_a_range_takes_both_of_its_days_whole():
    asked, errors = read_range({"since": "2026-02-01", "until": "2026-02-02"}, NOW)
    assert not errors
    assert (asked.days, asked.since) == (2, 1_769_904_000)
    assert read_range({"until": "2026-02-07"}, NOW)[0].since == 1_769_904_000


# Unseen


def test_unseen_articles_are_told_with_what_keeps_them_out(viewer, store, articles, holder):
    seen = {"kind": Kind.IMPRESSION, "at": NOW, "slate": "s"}
    store.put_events(Event(f"i{n}", article=articles[n].id, **seen) for n in range(7))
    pin = Rule("", Action.BLOCK, Aim.ARTICLE, "daily/a-7", site="travel", reason="x")
    stop = Rule("", Action.STOP, Aim.ARTICLE, "culture/a-1", reason="x")
    grave = Rule("", Action.TONE, Aim.ARTICLE, "culture/a-2", tone=Tone.GRAVE, reason="x")
    bury = Rule("", Action.BURY, Aim.ARTICLE, "culture/a-3", factor=0.1, reason="x")
    for rule in (pin, stop, grave, bury):
        rules.add(store, rule, ANNA)
    holder.refresh(NOW)
    page = viewer.read("/desk/unseen")
    daily = section(page, "The Daily Archipelago", "Hana & Hearth")
    assert "1 of 8 articles (12.5 %) were shown by no box" in daily
    assert "It is blocked on pages of Slow Islands ( rule 1 )" in daily
    culture = section(page, "Hana & Hearth", "Slow Islands")
    assert "8 of 8 articles" in culture
    assert "It is stopped everywhere ( rule 2 )" in culture
    assert "It is grave" in culture
    assert "It is buried everywhere, its score × 0.1 ( rule 4 )" in culture
    assert culture.count("No filter and no rule keeps it out.") == 5


def test_an_article_that_has_just_come_is_told_as_such(viewer, store, describe):
    store.put_articles([describe("daily", 99, published=NOW - 120)])
    assert "It has not reached the engine yet." in viewer.read("/desk/unseen?days=1")
