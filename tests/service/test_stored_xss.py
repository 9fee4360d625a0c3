"""Whatever a publisher's system stores stays text, on every surface, in a real browser.

A surface that is not in ``SURFACES`` is not tested: add it there, with the addresses that show it.
"""

import html
import itertools
import re
import runpy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import feedparser
import pytest

from data import access, rules
from data.audit import Actor
from data.scope import Scope
from data.store import Store
from recsys.rules import Action, Aim, Rule
from recsys.types import Article, Event, Kind

ROOT = Path(__file__).parents[2]
CANARY = "canary.example"
RUN = f"window.ran=(window.ran||0)+1;fetch('https://{CANARY}/fetched')"
TEXTS = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</title></style></textarea></noscript></template><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg/onload={RUN}>",
    f'" autofocus onfocus={RUN} onmouseover={RUN} x="',
    f"' autofocus onfocus={RUN} onmouseover={RUN} x='",
    f"]]><x xmlns='http://www.w3.org/1999/xhtml'><script>{RUN}</script></x><![CDATA[",
    f"<x xmlns='http://www.w3.org/1999/xhtml'><script>{RUN}</script></x>",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&amp;lt;img src=x onerror={RUN}&amp;gt;",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<a href='javascript:{RUN}'>free</a>",
    f"<base href='https://{CANARY}/'>",
    f"<meta http-equiv=refresh content='0;url=https://{CANARY}/'>",
    f"<link rel=stylesheet href='https://{CANARY}/x.css'>",
    f"<form action='https://{CANARY}/'><button>free</button></form>",
    f"{{{{ ''.__class__ }}}}{{% print({RUN}) %}}${{{RUN}}}",
    f"<!--<script>{RUN}//--><script>{RUN}</script>",
    f"\u2028{RUN}\u2029\u202e<script>{RUN}</script>",
    f"\x00<scr\x00ipt>{RUN}</script>",
    f"+ADw-script+AD4-{RUN}+ADw-/script+AD4-",
]
ADDRESSES = [
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f" javascript:{RUN}",
    f"\x01javascript:{RUN}",
    f"java\nscript:{RUN}",
    f"java\tscript:{RUN}",
    f"javascript\r:{RUN}",
    f"&#106;avascript:{RUN}",
    f"java&Tab;script:{RUN}",
    f"javascript&colon;{RUN}",
    f"javascript://daily.example/%0a{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload=\"{RUN}\"/>",
    f"vbscript:{RUN}",
    f"blob:https://daily.example/{RUN}",
    "view-source:https://daily.example/",
    f'https://daily.example/"onmouseover={RUN}',
    f"https://daily.example/'><script>{RUN}</script>",
    f'/"><script>{RUN}</script>',
    f"https://javascript:{RUN}@daily.example/",
    "feed:javascript:1",
    "https://[::1",
]
PICTURE = "https://pictures.example/{name}.svg"
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2" onload="parent.ran=1">'
    f"<script>{RUN}</script></svg>"
)
"""A picture that runs a script where it is opened on its own, and must not where it is shown."""
NAME = f"\"'><script>{RUN}</script>&lt;"
CONFIG = "".join(
    f"[sites.{id}]\nname = '''{id} {NAME}'''\nurl = \"https://{id}.example/\"\n"
    for id in ("daily", "culture", "travel")
)
EXPECTED = (
    "Mixed Content",  # the service of this test has no certificate, and pages elsewhere have
    "Failed to load resource: the server responded with a status of 4",  # no such picture or page
    "The specified value",  # words in a field for numbers
)
SCHEMES = {"http:", "https:"}
FOUND = """() => {
  const found = [];
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      for (const {name, value} of one.attributes)
        found.push([one.localName, name, value, here(value)]);
      if (one.localName === "script") found.push(["script", "", one.textContent, ""]);
      if (one.shadowRoot) look(one.shadowRoot);
    }
  };
  const here = (value) => {
    try { return new URL(value, document.baseURI).protocol } catch { return "" }
  };
  look(document);
  return found;
}"""
SHOWN = """() => {
  const texts = (root) => [...root.querySelectorAll("*")].map(
    (one) => one.shadowRoot ? texts(one.shadowRoot) : "").join("") + root.textContent;
  return texts(document.documentElement);
}"""
LINKS = {"href", "src", "action", "formaction", "xlink:href", "data", "poster", "ping", "cite"}
ELEMENTS = {"iframe", "object", "embed", "base", "frame", "applet", "portal"}


def hostile() -> list[Article]:
    """Articles on three sites, each worse than the one before, and a tame one for comparison."""
    now = int(time.time())
    sites = itertools.cycle(("daily", "culture", "travel"))
    made = []
    for n, site in zip(range(len(TEXTS)), sites, strict=False):
        # Each field another one, so that few pages show all of them in each place.
        title, section, author, tag, body, language = (TEXTS * 2)[n : n + 6]
        made.append(
            Article(
                site,
                f"text-{n}",
                f"https://{site}.example/text-{n}",
                f"Title {n} {title}",
                now - 60 * n,
                body=f"{body}\n\nRiver station paper {n} morning lantern harbour.",
                section=section,
                tags=(tag, "plain"),
                authors=(author,),
                language=language if n % 5 == 0 else "en",
                image=PICTURE.format(name=n),
                sponsored=n % 7 == 0,
            )
        )
    for n, (address, site) in enumerate(zip(ADDRESSES, sites, strict=False)):
        here = {"url": address, "image": PICTURE.format(name=f"a{n}")}
        there = {"url": f"https://{site}.example/image-{n}", "image": address}
        for kind, fields in ("link", here), ("image", there):
            key = f"{kind}-{n} {NAME}" if n % 2 == 0 else f"{kind}-{n}"
            body = f"Kitchen temple ticket winter {n} garden bridge {kind}."
            title = f"{kind.capitalize()} {n}"
            made.append(
                Article(site, key, title=title, published=now - 90 * n, body=body, **fields)
            )
    made.append(Article("daily", "tame", "/tame", "A tame one", now, body="Silence and rice."))
    return made


@pytest.fixture(scope="module")
def plain(stocked):
    """The service as publishers run it."""
    return stocked(hostile(), "--workers", "1", config=CONFIG)


@pytest.fixture(scope="module")
def demo(stocked):
    """The service with pages of its own."""
    return stocked(hostile(), "--workers", "1", "--demo", config=CONFIG)


@pytest.fixture
def visit(chromium) -> Iterator[Callable[..., Any]]:
    """Open an address, and say in ``page.wrong`` what a page must never do.

    Only this machine is asked; whoever else is, gives a picture that would like to run a script.
    ``body`` is what stands at the address, where nobody serves it.
    """
    contexts = []

    def visited(url: str, body: str = "") -> Any:
        context = chromium.new_context(
            user_agent=f"Mozilla/5.0 (X11; Linux x86_64) Chrome/{chromium.version} Safari/537.36",
            permissions=["local-network-access"],  # a publisher's page asks this machine
        )
        contexts.append(context)
        page: Any = context.new_page()
        page.wrong = []

        def asked(route: Any) -> None:
            host = urlsplit(route.request.url).hostname
            if host == "127.0.0.1":
                route.continue_()
                return
            if body and route.request.url == url:
                route.fulfill(status=200, content_type="text/html; charset=utf-8", body=body)
                return
            if route.request.resource_type != "image" or host == CANARY:
                page.wrong.append(f"asked for {route.request.url}")
            route.fulfill(status=200, content_type="image/svg+xml", body=DRAWING)

        def said(line: Any) -> None:
            if line.type in ("error", "warning") and not line.text.startswith(EXPECTED):
                page.wrong.append(f"{line.type}: {line.text} ({line.location.get('url')})")

        context.route("http://**/*", asked)
        context.route("https://**/*", asked)
        page.on("dialog", lambda dialog: (page.wrong.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: page.wrong.append(f"thrown: {error}"))
        page.on("console", said)
        page.on("popup", lambda other: page.wrong.append(f"opened {other.url}"))
        page.goto(url)
        if page.locator("script[src*=demo], script[src*=swagger]").count():
            # What scripts draw comes later.
            page.wait_for_load_state("networkidle")
        return page

    yield visited
    for context in contexts:
        context.close()


def assert_tame(page: Any, own: str) -> None:
    """Nothing ran, nothing tried to, and nothing waits to be clicked; scripts come from ``own``."""
    assert page.wrong == [], "\n".join(page.wrong)
    assert [frame.evaluate("window.ran") for frame in page.frames] == [None] * len(page.frames)
    for element, name, value, scheme in page.evaluate(FOUND):
        where = f"<{element} {name}={value!r}>"
        assert element not in ELEMENTS, where
        assert not name.startswith("on"), where
        assert name not in ("srcdoc", "background"), where
        assert name != "http-equiv" or value == "Content-Security-Policy", where
        assert name != "style" or "url(" not in value, where
        if element == "script":
            assert name or not value.strip(), f"a script of the page itself: {value}"
            assert name != "src" or urljoin(page.url, value).startswith(own), where
        if name in LINKS and (element, name) != ("image", "href"):
            icon = element == "link" and value == "data:,"
            # No scheme: a browser cannot take the address apart, so it leads nowhere.
            assert scheme in {"", *SCHEMES} or icon, where
            assert CANARY not in (urlsplit(page.url).hostname or ""), page.url


# Surfaces: what each shows, and where


def fragment(url: str) -> list[str]:
    words, word = quote(NAME), quote("<script>ran=1</script>")
    return [
        f"{url}/v1/widget.html?site=daily&n=50",
        f"{url}/v1/widget.html?site=culture&n=50&heading={words}&line={words}&sponsored={word}",
        f"{url}/v1/widget.html?site=travel&n=50&bare=true",
        *(f"{url}/v1/widget.html?article={quote(str(article.id))}" for article in hostile()[::24]),
    ]


def answers(url: str) -> list[str]:
    return [
        f"{url}/v1/recommendations?site=daily&n=50",
        f"{url}/v1/trending?n=50",
    ]


def front_pages(url: str) -> list[str]:
    return [f"{url}/demo/", *(f"{url}/demo/{s}/" for s in ("daily", "culture", "travel"))]


def article_pages(url: str) -> list[str]:
    shown = [*hostile()[: len(TEXTS) : 2], *hostile()[len(TEXTS) + 2 :: 24]]
    found = [f"{url}/demo/{article.site}/{quote(article.key)}" for article in shown]
    return [*found, f"{found[0]}?as={quote(NAME)}"]


def feeds(url: str) -> list[str]:
    word = quote("<script>ran=1</script>")
    return [
        f"{url}/v1/feeds/{site}.{format}?n=50&title={quote(NAME)}&sponsored={word}"
        for site, format in (("daily", "rss"), ("culture", "atom"), ("travel", "json"))
    ]


def api_document(url: str) -> list[str]:
    return [f"{url}/openapi/swagger"]


SURFACES = {
    "fragment": ("plain", fragment, "<script>window.ran"),
    "answers": ("plain", answers, "<script>window.ran"),
    "front pages": ("demo", front_pages, "<script>window.ran"),
    "article pages": ("demo", article_pages, "<script>window.ran"),
    "feeds": ("plain", feeds, "<script>window.ran"),
    "API document": ("plain", api_document, "recsys"),
}
"""By name: the service, the addresses, and what one of them must show, as else it shows nothing."""


@pytest.mark.parametrize("surface", SURFACES)
def test_whatever_is_stored_stays_text(request, visit, surface):
    fixture, addresses, said = SURFACES[surface]
    service = request.getfixturevalue(fixture)
    shown = []
    for address in addresses(service.url):
        page = visit(address)
        assert_tame(page, service.url)
        shown.append(page.evaluate(SHOWN))
        page.context.close()
    assert any(said in text for text in shown)


@pytest.mark.parametrize("key", ["text-0", "text-3", f"link-2 {NAME}"])
def test_the_widget_on_a_publishers_page(visit, plain, key):
    page = visit(
        "https://daily.example/story",
        "<!DOCTYPE html><html lang=en><title>Story</title><link rel=icon href='data:,'><body>"
        f'<script async src="{plain.url}/widget.js" data-site="daily" data-lazy="no" data-n="50"'
        f' data-key="{html.escape(key)}"></script></html>',
    )
    page.locator("recsys-box li h3").first.wait_for()
    assert_tame(page, plain.url)
    cards = page.locator("recsys-box li")
    assert cards.count() > 15
    # A mouse over each card, and the keyboard through all of them.
    for place in range(cards.count()):
        cards.nth(place).hover()
    for _ in range(cards.count()):
        page.keyboard.press("Tab")
    assert_tame(page, plain.url)
    assert "<script>" in page.evaluate(SHOWN)


def test_the_report(visit, tmp_path):
    from training.report.page import page as report

    known = runpy.run_path(str(ROOT / "tests" / "training" / "conftest.py"))
    path = tmp_path / "report.html"
    path.write_text(report(known["with_hostile_names"](known["found"]())), encoding="utf-8")
    page = visit(path.as_uri())
    assert page.wrong == []
    assert page.evaluate("window.ran") is None
    assert "<script>" in page.evaluate(SHOWN)
    for element, name, value, scheme in page.evaluate(FOUND):
        assert element not in ELEMENTS | {"script"}
        assert not name.startswith("on")
        assert name not in LINKS or scheme in SCHEMES or value.startswith(("#", "data:,")), value


@pytest.mark.parametrize("format", ["rss", "atom"])
def test_a_feed_as_readers_take_it(visit, plain, format):
    answer = plain.get(f"/v1/feeds/daily.{format}", n=50)
    feed = feedparser.parse(answer.content, sanitize_html=False)
    assert not feed.bozo
    assert len(feed.entries) > 15
    addresses = [entry.link for entry in feed.entries]
    addresses += [
        media["url"] for entry in feed.entries for media in entry.get("media_content", ())
    ]
    assert {urlsplit(address).scheme for address in addresses} <= {"http", "https"}
    assert any("<script>" in entry.title for entry in feed.entries)
    # Titles are text; what a description holds may be HTML, and is taken for it.
    page = visit(
        "https://reader.example/",
        "<!DOCTYPE html><title>Reader</title><link rel=icon href='data:,'>"
        + "".join(
            f"<h2><a href='{html.escape(entry.link)}'>{html.escape(entry.title)}</a></h2>"
            f"<div>{entry.get('summary', '') if format == 'rss' else ''}</div>"
            for entry in feed.entries
        ),
    )
    assert_tame(page, plain.url)
    assert "<script>" in page.evaluate(SHOWN)


DESK_PAGES = (
    *("nowhere", "login", "now", "box", "clicks", "unseen", "rules", "rules/new", "tone"),
    *("bundles", "keys", "health", "log"),
)
"""Pages of the desk that say what was asked of them, right or wrong."""
DESK_FIELDS = """
article value site placement history context seed since until action aim of window source arm
bundle next reason q
""".split()  # noqa: SIM905


@pytest.fixture
def decided(plain) -> str:
    """Rules, a key, readers and an audit log with the worst words; returns the key's token."""
    now = int(time.time())
    with Store.open(f"sqlite:///{plain.log.parent / 'recsys.db'}") as store:
        store.put_events(
            Event(
                f"{kind}-{n}-{reader}",
                kind,
                article.id,
                now - 60 * reader,
                f"{NAME}{reader}",
                NAME,
                "daily",
                slate=text,
                position=n % 6,
                context=(f"device:{text}",),
                arm=text,
                source=text,
                bundle=text,
                placement=text,
            )
            for n, (text, article) in enumerate(zip(TEXTS, hostile(), strict=False))
            for reader in range(12)
            for kind in (Kind.IMPRESSION, Kind.CLICK)
        )
        _, token = access.create(store, NAME, (Scope.ADMIN,), (), now)
        for n, (text, article) in enumerate(zip(TEXTS, hostile(), strict=False)):
            words = "".join(c for c in text if c.isprintable())[:128]
            made: list[dict[str, Any]] = [
                {"action": Action.PIN, "aim": Aim.ARTICLE, "value": str(article.id), "slot": n + 1},
                {"action": Action.BOOST, "aim": Aim.AUTHOR, "value": words, "factor": 2.0},
                {"action": Action.BURY, "aim": Aim.TAG, "value": words, "factor": 0.5},
                {"action": Action.BOOST, "aim": Aim.SECTION, "value": words, "factor": 3.0},
                {"action": Action.BLOCK, "aim": Aim.PATTERN, "value": f"*{words}nowhere*"},
            ]
            rule = Rule("", reason=words, **made[n % len(made)])
            added = rules.add(store, rule, Actor(words, "key", "request"))
            if n % 4 == 0:
                rules.undo(store, added.id, Actor(words), now, words)
    return token


def test_the_desk(visit, plain, decided):
    start = f"{plain.url}/desk/"
    page = visit(start)
    page.locator("input[name=key]").fill(decided)
    page.locator("main button").click()
    page.wait_for_url(start)
    word = quote(NAME)
    given = "&".join(f"{name}={word}" for name in DESK_FIELDS)
    waiting = [start, *(f"{start}{path}?{given}" for path in DESK_PAGES)]
    waiting += [f"{start}box?article={quote(str(one.id))}&n=50" for one in hostile()[::12]]
    seen, shown = [], ""
    # Whatever links lead to from here, a few of each kind.
    while waiting:
        address = waiting.pop(0)
        page.goto(address)
        seen.append(address)
        assert_tame(page, plain.url)
        shown += page.evaluate(SHOWN)
        links = page.eval_on_selector_all("main a, nav a", "all => all.map((one) => one.href)")
        for link in (link.partition("#")[0] for link in links):
            alike = [a for a in (*seen, *waiting) if kind_of(a) == kind_of(link)]
            if link.startswith(start) and link not in alike and len(alike) < 5:
                waiting.append(link)
    # A form that is refused says again what was filled in; one that is taken is listed.
    for fields in {"reason": NAME, "value": NAME}, {"value": f"daily/{NAME}"}, {"value": "*"}:
        page.goto(f"{start}rules/new?action=boost")
        for name, words in fields.items():
            page.locator(f"main form[method=post] [name={name}]").fill(words)
        page.evaluate("for (const one of document.forms) one.noValidate = true")
        page.locator("main form[method=post] button").first.click()
        assert_tame(page, plain.url)
        shown += page.evaluate(SHOWN)
    assert "<script>" in shown


def kind_of(address: str) -> str:
    return re.sub(r"\d+", "0", urlsplit(address).path)


def test_the_digest(visit, typed, tmp_path):
    (tmp_path / "recsys.toml").write_text(CONFIG)
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles(hostile())
    words = "digest", "--site", "daily", "--number", 50, "--service", "https://recs.example"
    written = tmp_path / "digest.html"
    done = typed(*words, "--format", "html", "--output", written)
    assert done.code == 0, done.err
    page = visit("https://mail.example/", written.read_text("utf-8"))
    assert page.wrong == []
    assert page.locator("a").count() > 15
    assert_tame(page, "https://mail.example")
    assert "<script>" in page.evaluate(SHOWN)
