"""The desk's drawings and tables in a real browser: on a phone, in the dark, without script."""

import time
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from data import access, rules
from data.audit import Actor
from data.scope import Scope
from data.store import Store
from recsys.rules import Action, Aim, Rule
from recsys.types import Event, Kind
from training.recipe import Recipe
from training.run import run as learn

NOW = int(time.time())
DAY = 86_400
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
PHONE, WIDE = {"width": 375, "height": 740}, {"width": 1200, "height": 900}
PAGES = [
    "/desk/now",
    "/desk/clicks",
    "/desk/clicks?apart=slot",
    "/desk/clicks?since=never",
    "/desk/unseen?days=7",
    "/desk/box?article=culture/a-50",
    "/desk/box?article=daily/a-1&n=50&history=daily/a-2",
    "/desk/box?article=a",
]


def events(articles) -> list[Event]:
    """Boxes of three days and what readers opened today, some of it with the worst of names."""
    draw = np.random.default_rng(1)
    found = []
    for reader in range(120):
        for box in range(3):
            at = NOW // DAY * DAY - box * DAY + int(NOW % DAY * draw.random())
            for position, row in enumerate(draw.choice(len(articles), 3, replace=False).tolist()):
                told = {
                    "visitor": f"v{reader}",
                    "seen_on": "daily",
                    "slate": f"{reader}-{box}",
                    "position": position,
                    "source": HOSTILE[:64] if position == 2 else "related",
                    "arm": f"{LONG[:100]}/plain" if reader % 2 else "",
                }
                for kind in (Kind.IMPRESSION, Kind.CLICK)[: 1 + (draw.random() < 0.3)]:
                    id = f"{reader}-{box}-{position}-{kind}"
                    found.append(Event(id, kind, articles[row].id, at, **told))
            opened = articles[int(draw.integers(len(articles)))].id
            found.append(
                Event(f"r{reader}{box}", Kind.READ, opened, NOW - 60 * reader, f"v{reader}")
            )
    return found


@pytest.fixture(scope="module")
def desk(stocked, articles, describe) -> SimpleNamespace:
    """A service with much to tell, and the cookie of an editor who has signed in."""
    hostile = describe("culture", 50, title=HOSTILE, section=HOSTILE, published=NOW - 60)
    long = describe("culture", 51, title=LONG, published=NOW - 61)
    service = stocked([*articles, hostile, long])
    var = service.log.parent
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_events(events([*articles, hostile]))
        learn(store, var / "bundles", Recipe(dims=8, factors=8), NOW)
        block = Rule("", Action.BLOCK, Aim.ARTICLE, "culture/a-51", reason="x")
        rules.add(store, block, Actor(HOSTILE))
        scopes = (Scope.EDITOR, Scope.VISITORS)
        key = access.create(store, "anna", scopes, (), NOW)[1]
    sent = {"data": {"key": key}, "headers": {"Origin": service.url}}
    value = httpx.post(f"{service.url}/desk/login", **sent).cookies["desk"]
    cookie = {"name": "desk", "value": value, "domain": "127.0.0.1", "path": "/desk"}
    rest = {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Strict"}
    deadline = time.monotonic() + 30
    while service.get("/readyz").json()["bundle"] == "" and time.monotonic() < deadline:
        time.sleep(0.1)
    return SimpleNamespace(
        url=service.url,
        signed_in={"storage_state": {"cookies": [{**cookie, **rest}], "origins": []}},
    )


@pytest.fixture
def at(open_page, desk):
    """Open a page of the desk as the editor."""
    return lambda path, **options: open_page(desk.url + path, **{**desk.signed_in, **options})


@pytest.mark.parametrize("path", PAGES)
def test_no_drawing_or_table_bars_anybody_on_a_dark_phone_or_a_light_screen(at, barriers, path):
    page = at(path)
    # Those of one kind are alike, and there are thousands of cells in all of them.
    page.evaluate("[...document.querySelectorAll('details')].slice(0, 2).map((d) => d.open = true)")
    for size, scheme in ((PHONE, "dark"), (WIDE, "light")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert barriers(page) == "", f"{size} {scheme}"
    assert "owned" not in page.title()
    refused = "never" in path  # the browser tells of the answer 422
    assert len(page.complaints) == refused, page.complaints


LETTERS = """() => [...document.querySelectorAll("svg.line .tick")].map((one) => {
    const frame = one.closest("svg").getBoundingClientRect(), own = one.getBoundingClientRect();
    return [own.height, own.left >= frame.left - 1 && own.right <= frame.right + 1];
})"""


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_what_a_chart_is_labelled_with_can_be_read_and_is_whole(at, size):
    page = at("/desk/clicks", viewport=size)
    told = page.evaluate(LETTERS)
    assert len(told) >= 3 + 3
    assert all(height >= 10 and whole for height, whole in told), told


def test_lines_are_seen_in_light_and_in_dark(at):
    page = at("/desk/clicks", color_scheme="light")
    stroke = "getComputedStyle(document.querySelector('svg .drawn')).stroke"
    light = page.evaluate(stroke)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(stroke) not in (light, "none")


FOCUSED = "document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"


def tab_to(page, name: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == name:
            return
    raise AssertionError(f"the tab key does not lead to {name!r}")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_from_what_trends_to_its_box_and_to_a_pin_by_keyboard(at, script):
    page = at("/desk/now", java_script_enabled=script)
    title = page.locator("tbody th > span").first.inner_text()
    tab_to(page, "Readers by the hour as numbers")
    page.keyboard.press("Enter")
    assert page.locator("details table").first.is_visible()
    page.reload()
    tab_to(page, f"Box under {title}")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=f"The box under “{title}”").wait_for()
    tab_to(page, f"Pin {title}")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Pin an article to a slot").wait_for()
    assert title in page.locator("main").inner_text()


def test_a_box_is_asked_for_by_words_and_by_form(at):
    page = at("/desk/box", viewport=PHONE)
    page.fill("#article", "a-3")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Articles with these words").wait_for()
    page.locator("main ul.plain a").first.click()
    page.get_by_text("Reader, circumstances and chance").click()
    page.fill("#history", "daily/a-2")
    page.select_option("#site", "travel")
    page.fill("#n", "4")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("heading", name="The slate").wait_for()
    assert page.locator(".slate li").count() == 4


def test_a_reader_is_asked_for_by_a_form_that_leaves_no_id_in_the_address(at):
    page = at("/desk/box?article=daily/a-1")
    page.fill("#visitor", "reader-7")
    page.get_by_role("button", name="Show the box for this reader").click()
    page.get_by_text("What this reader has read is not told here").wait_for()
    assert "reader-7" not in page.url
    assert "reader-7" not in page.content()
