"""The desk in a real browser: it bars nobody, fits a phone, and needs neither mouse nor script."""

import time
from dataclasses import dataclass

import httpx
import pytest

from data import access, rules, runs
from data.audit import Actor
from data.scope import Scope
from data.store import Store
from recsys import shelf
from recsys.rules import Action, Aim, Rule
from recsys.types import Tone
from training.gate import Gate
from training.recipe import Recipe
from training.run import run as learn

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
PHONE, WIDE = {"width": 375, "height": 740}, {"width": 1200, "height": 900}
NOW = int(time.time())
RULES = [
    Rule("", Action.BLOCK, Aim.ARTICLE, "culture/a-50", reason=HOSTILE),
    Rule("", Action.BURY, Aim.AUTHOR, LONG, site="travel", factor=0.2, reason=LONG),
    Rule("", Action.STOP, Aim.ARTICLE, "travel/a-3", reason="libel", end=NOW + 3_600),
    Rule("", Action.PIN, Aim.ARTICLE, "daily/a-2", slot=2, reason="later", start=NOW + 3_600),
    Rule("", Action.TONE, Aim.ARTICLE, "daily/a-60", tone=Tone.GRAVE, reason="was unknown"),
]


@dataclass
class Desk:
    """A running service and what opens its desk."""

    url: str
    key: str
    bundle: str
    db: str
    cookie: str = ""

    def __post_init__(self) -> None:
        sent = {"data": {"key": self.key}, "headers": {"Origin": self.url}}
        self.cookie = httpx.post(f"{self.url}/desk/login", **sent).cookies["desk"]

    @property
    def signed_in(self) -> dict:
        """The options of a browser that has signed in before."""
        kept = {"name": "desk", "value": self.cookie, "domain": "127.0.0.1", "path": "/desk"}
        rest = {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Strict"}
        return {"storage_state": {"cookies": [{**kept, **rest}], "origins": []}}


@pytest.fixture(scope="module")
def desk(stocked, articles, describe):
    """A service that has learned, with rules, tones and the worst of names."""
    hostile = describe("culture", 50, title=HOSTILE, section=HOSTILE, published=NOW - 60)
    long = describe("culture", 51, title=LONG, published=NOW - 61)
    body = "Soldiers were killed as missiles struck the city, and dozens were wounded. " * 5
    war = describe("daily", 60, title="Dozens killed in missile attack on city", body=body)
    service = stocked([*articles, hostile, long, war])
    var = service.log.parent
    db = f"sqlite:///{var / 'recsys.db'}"
    with Store.open(db) as store:
        for step in (60, 0):
            learn(
                *(store, var / "bundles", Recipe(dims=8, factors=8), NOW - step),
                gate=Gate(event_age=0.0),
                force=True,
                by=HOSTILE,
                why=LONG,
            )
        who = Actor(HOSTILE)
        for rule in RULES:
            rules.add(store, rule, who)
        gone = rules.add(store, Rule("", Action.BLOCK, Aim.TAG, "x", reason="y"), who)
        rules.undo(store, gone.id, who, NOW, HOSTILE)
        for status in ("done", "held", "failed"):
            run = runs.begin(store, "retrain", NOW - 60)
            runs.end(store, run, NOW, status, HOSTILE + LONG)
        access.create(store, "old one", (Scope.ARTICLES,), ("daily",), 1, expires=2)
        key = access.create(store, HOSTILE[:100], (Scope.ADMIN,), (), NOW)[1]
    return Desk(service.url, key, shelf.current(var / "bundles"), db)


@pytest.fixture
def at(open_page, desk):
    """Open a page of the desk as somebody who has signed in."""
    return lambda path, **options: open_page(desk.url + path, **{**desk.signed_in, **options})


# Everybody can use it


@pytest.mark.parametrize(
    "path",
    [
        "/desk/",
        "/desk/rules",
        "/desk/rules/1",
        "/desk/rules/6",
        "/desk/rules/new?action=pin&q=a",
        "/desk/rules/new?action=boost&value=culture/a-50",
        "/desk/rules/new?action=stop&q=xyzzy",
        "/desk/tone",
        "/desk/tone?q=script",
        "/desk/bundles",
        "/desk/bundles/{bundle}",
        "/desk/health",
        "/desk/keys",
        "/desk/log",
        "/desk/nothing",
        "/desk/login",
    ],
)
def test_no_page_bars_anybody_in_light_or_dark_on_a_phone_or_a_wide_screen(
    at, desk, barriers, path
):
    page = at(path.format(bundle=desk.bundle))
    for size in (PHONE, WIDE):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert barriers(page) == "", f"{size} {scheme}"
    assert "owned" not in page.title()
    answered = "nothing" in path  # the browser tells of the 404 that was asked for
    assert len(page.complaints) == answered, page.complaints


def test_what_is_wrong_is_brought_to_whoever_sent_it(at, barriers):
    page = at("/desk/rules/new?action=block", viewport=PHONE)
    page.fill("#value", "daily/nowhere")
    page.fill("#reason", "a mistake")
    page.click("text=Make the rule")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.matches('.wrong')")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page) == ""
    page.click(".wrong a")
    assert page.evaluate("document.activeElement.id") == "value"
    described = page.locator("#value").get_attribute("aria-describedby").split()
    assert "no such article" in page.locator(f"#{described[-1]}").inner_text()


def test_an_emergency_stop_is_asked_about_once_more(at, barriers):
    page = at("/desk/rules/new?action=stop&value=travel/a-4", viewport=PHONE)
    page.fill("#reason", "libel")
    page.click("text=Go on")
    assert page.locator("h1").inner_text() == "Stop this story on every site?"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert barriers(page) == ""
    page.click("text=Leave it")
    assert page.locator("h1").inner_text() == "Rules"


# A rule, by keyboard


FOCUSED = """() => {
    const one = document.activeElement;
    const told = one.labels?.[0]?.textContent ?? one.textContent;
    return [told.trim(), getComputedStyle(one).outlineStyle];
}"""


def tab_to(page, name: str) -> None:
    """Go on by the tab key until the element of a name has the focus, and see that it shows."""
    for _ in range(80):
        page.keyboard.press("Tab")
        told, ring = page.evaluate(FOCUSED)
        assert ring != "none", f"no ring around {told}"
        if told.startswith(name):
            return
    raise AssertionError(f"the tab key does not lead to {name!r}")


def shown(desk) -> set[str]:
    asked = {"site": "daily", "key": "a-1", "n": 50}
    answers = [httpx.get(f"{desk.url}/v1/recommendations", params=asked) for _ in range(8)]
    return {f"{i['site']}/{i['key']}" for answer in answers for i in answer.json()["items"]}


def until(true) -> bool:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_rule_is_made_and_undone_by_keyboard_and_counts_in_every_box(open_page, desk, script):
    article = "culture/a-2" if script else "culture/a-3"
    assert until(lambda: article in shown(desk))
    page = open_page(f"{desk.url}/desk/rules", java_script_enabled=script)
    tab_to(page, "Your key")
    page.keyboard.type(desk.key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Rules", exact=True).wait_for()
    tab_to(page, "Block")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Block what you choose").wait_for()
    tab_to(page, "Article, name or pattern")
    page.keyboard.type(article)
    tab_to(page, "Why")
    page.keyboard.type("a mistake in it")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("The rule is made").wait_for()
    assert until(lambda: article not in shown(desk)), "the rule reaches every worker"
    tab_to(page, "Why it is undone")
    page.keyboard.type("it was right")
    tab_to(page, "Undo this rule")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("The rule is undone").wait_for()
    assert until(lambda: article in shown(desk))


def test_the_desk_is_left_by_signing_out(open_page, desk):
    page = open_page(f"{desk.url}/desk/login")
    page.fill("#key", desk.key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/desk/login")
    page.goto(f"{desk.url}/desk/rules")
    assert page.title() == "Sign in · Desk"


def test_who_comes_by_a_link_of_another_site_goes_on_with_one_click(open_page, publish, desk):
    link = f"<a id=out href='{desk.url}/desk/rules'>desk</a>"
    page = open_page(publish(link).url.replace("127.0.0.1", "localhost"), **desk.signed_in)
    page.click("#out")
    assert page.title() == "Sign in · Desk", "the cookie does not go along"
    page.click("text=Go on to the page.")
    assert page.title() == "Rules · Desk"
