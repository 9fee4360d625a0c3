"""``recsys digest`` as a person types it, on a real store and a real bundle, and in a browser."""

import email
import email.policy
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data.keyring import load
from data.store import Store
from recsys.types import Article, Event, Kind
from training.recipe import Recipe
from training.run import run as learn

NOW = 1_790_000_000
WHEN = "2026-09-21T14:13:20"
TOPICS = ("harbour ferry tide pier", "temple maple garden tea", "striker goal league match")
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
CONFIGURATION = """
[sites.daily]
name = "The <b>Daily</b> & Sunday"
url = "https://daily.example/"
language = "en"

[sites.guide]
name = "湯めぐり案内"
url = "https://guide.example/"
language = "ja"
"""
DAILY = "The <b>Daily</b> & Sunday"


def article(number: int, **other: object) -> Article:
    words = TOPICS[number % 3].split()
    sentence = " ".join(words[(number + step * step) % 4] for step in range(20 + number))
    values: dict = {
        "site": ("daily", "guide")[number % 2],
        "key": f"a-{number}",
        "url": f"https://x.example/{number}",
        "title": f"{words[number % 4].title()} number {number}",
        "published": NOW - 3600 * (number + 1),
        "body": f"{sentence.capitalize()}. {sentence}.",
        "section": "News",
        "language": "en",
    }
    return Article(**values | other)


PAID = article(24, title="A car loan", sponsored=True, published=NOW - 60)
ODD = [
    article(25, title=HOSTILE, body=HOSTILE, section=HOSTILE, authors=(HOSTILE,)),
    article(26, url="javascript:alert(1)", title="Never to be linked"),
    article(27, title="温泉街を歩く" * 20, body="湯けむりの町を歩く。" * 40, language="ja"),
    article(28, url="/here", title="On the service itself"),
]
ARTICLES = [*(article(number) for number in range(24)), PAID, *ODD]


@pytest.fixture
def stocked(typed, tmp_path, capsys):
    (tmp_path / "recsys.toml").write_text(CONFIGURATION)
    keyring = load(tmp_path / "keyring.json", NOW)
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles(ARTICLES)
        store.put_events(
            keyring.hide(
                Event(
                    f"{reader}-{step}",
                    Kind.CLICK,
                    ARTICLES[3 * step + reader % 3].id,
                    NOW - 900 + 60 * step + reader,
                    f"v{reader}",
                    f"s{reader}",
                )
            )
            for reader in range(12)
            for step in range(4)
        )
        learn(store, tmp_path / "bundles", Recipe(dims=8, factors=8), NOW)
    capsys.readouterr()  # what the training logged
    return lambda *words: typed("digest", "--now", WHEN, *words)


def held(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def ids(body: dict) -> list[str]:
    return [item["article"] for item in body["items"]]


class Links(HTMLParser):
    """Collects addresses and their texts, as a mail program would show them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._text: list[str] | None = None

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append((dict(attributes)["href"], ""))
            self._text = []

    def handle_data(self, data):
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag):
        if tag == "a":
            address, _ = self.found.pop()
            self.found.append((address, "".join(self._text or [])))
            self._text = None


def links(page: str) -> list[tuple[str, str]]:
    parser = Links()
    parser.feed(page)
    return parser.found


def test_every_form_holds_the_same_articles(stocked):
    words = ("--site", "daily", "-n", 10)
    items = held(stocked(*words, "--json"))["items"]
    assert len(items) == 10
    shown = {(item["url"], item["title"]) for item in items}
    assert set(links(stocked(*words, "--format", "html").out)) == shown
    text = stocked(*words).out
    for item in items:
        assert f"\n  {item['url']}\n" in text
        assert item["title"][:40] in text


def test_the_best_that_nobody_paid_for_leads_and_sites_follow(stocked):
    body = held(stocked("--site", "daily", "-n", 28, "--json"))
    lead = next(item for item in body["items"] if not item["sponsored"])
    assert body["subject"] == f"{DAILY}: {lead['title']}"
    page = stocked("--site", "daily", "-n", 28, "--format", "html").out
    assert links(page)[0] == (lead["url"], lead["title"])
    sites = [re.search(r"example/(\d+)", address) for address, _ in links(page)[1:]]
    halves = [int(found[1]) % 2 for found in sites if found]
    assert sum(a != b for a, b in itertools.pairwise(halves)) == 1, "two groups"
    in_mix = [item["url"] for item in body["items"] if item is not lead]
    for site in 0, 1:
        own = [one for one in in_mix if int(one.rpartition("/")[2]) % 2 == site]
        assert own == [one for one, _ in links(page)[1:] if one in own]


def test_what_is_paid_for_never_leads(typed, tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles([*ARTICLES[:5], PAID])
    words = ("digest", "--site", "daily", "--now", WHEN)
    first, second, *_ = held(typed(*words, "--json"))["items"]
    assert first["title"] == PAID.title, "the newest, where nothing was learned"
    assert held(typed(*words, "--json"))["subject"] == f"daily: {second['title']}"
    assert links(typed(*words, "--format", "html").out)[0] == (second["url"], second["title"])


def test_text_is_wrapped_and_links_are_whole(stocked):
    lines = stocked("--site", "daily", "-n", 28).out.splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    for line in lines:
        wide = sum(2 if ord(character) > 0x2E80 else 1 for character in line)
        assert wide <= 72 or line.startswith("  https://")
    assert "温泉街を歩く" in "".join(lines)
    assert "\n\n\n\n" not in "\n".join(lines)


def test_what_is_paid_for_says_so_in_both_forms(stocked):
    words = ("--site", "daily", "-n", 28)
    assert "[Sponsored] A car loan\n" in stocked(*words).out
    page = stocked(*words, "--format", "html").out
    before = page[: page.index(">A car loan<")]
    assert before.rindex("Sponsored") > before.rindex("<div")
    assert page.count("Sponsored") == page.count('rel="sponsored"') == 1
    assert stocked(*words).out.count("Sponsored") == 1


def test_a_teaser_is_the_beginning_of_the_text(stocked):
    items = held(stocked("--site", "daily", "-n", 28, "--json"))["items"]
    bodies = {str(one.id): one.body for one in ARTICLES}
    for item in items:
        teaser = item["teaser"]
        assert 20 < len(teaser) <= 220
        assert bodies[item["article"]].startswith(teaser.rstrip("…"))
        following = bodies[item["article"]][len(teaser.rstrip("…")) :][:1]
        assert following in ("", " ", ".", "湯")


def test_a_readers_own_differs_and_holds_nothing_that_they_opened(stocked):
    words = ("--site", "daily", "-n", 28, "--json")
    everybody, own = held(stocked(*words)), held(stocked(*words, "--visitor", "v1"))
    opened = {str(ARTICLES[3 * step + 1].id) for step in range(4)}
    assert opened <= set(ids(everybody))
    assert not opened & set(ids(own))
    left = [id for id in ids(everybody) if id not in opened]
    assert set(ids(own)) == set(left)
    assert ids(own) != left, "another order, for another taste"
    text = stocked("--site", "daily", "-n", 28, "--visitor", "v1").out
    assert not [id for id in opened if f"https://x.example/{id.rpartition('-')[2]}\n" in text]


def test_a_reader_needs_no_site(stocked):
    done = stocked("--visitor", "v1")
    assert done.code == 0, done.err
    assert done.out.startswith("For you\n")
    stranger = stocked("--visitor", "nobody", "--site", "daily")
    assert stranger.code == 0
    assert "note: the visitor is unknown" in stranger.err
    assert "note" not in stranger.out


def test_no_form_tells_the_readers_id(stocked):
    for words in ([], ["--format", "html"], ["--format", "eml"], ["--json"]):
        done = stocked("--site", "daily", "--visitor", "very-own-id", *words)
        assert done.code == 0
        assert "very-own-id" not in done.out


def test_a_mail_holds_both_forms(stocked, tmp_path):
    path = tmp_path / "deep" / "mail.eml"
    words = ("--site", "daily", "-n", 6)
    done = stocked(*words, "--format", "eml", "--output", path, "--subject", "Grüße\r\nBcc: all")
    assert (done.code, done.out) == (0, "")
    assert f"{path} is written." in done.err
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "Grüße Bcc: all"
    assert message["Bcc"] is None
    assert message["Date"].datetime.timestamp() == NOW
    assert message.get_content_type() == "multipart/alternative"
    text, page = (part.get_content() for part in message.iter_parts())
    assert text.replace("\r\n", "\n") == stocked(*words).out
    subject = ("--subject", "Grüße Bcc: all")
    assert page.replace("\r\n", "\n") == stocked(*words, "--format", "html", *subject).out
    assert not message.defects


def test_addresses_that_lead_nowhere_are_left_out_with_a_note(stocked):
    for format in "text", "html", "eml":
        done = stocked("--site", "daily", "-n", 50, "--format", format)
        assert done.code == 0
        assert "javascript:" not in done.out
        assert "Never to be linked" not in done.out
        assert "note: left out 2 whose address leads nowhere" in done.err
    words = ("--site", "daily", "-n", 50, "--service", "https://recs.example/sub")
    assert "\n  https://recs.example/here\n" in stocked(*words).out


def test_an_empty_store_makes_an_honest_letter(typed, tmp_path):
    for words in (["--site", "daily"], ["--visitor", "v1"]):
        for format in "text", "html", "eml":
            done = typed("digest", *words, "--format", format)
            assert done.code == 0, done.err
            assert "Nothing to recommend right now." in done.out
        assert held(typed("digest", *words, "--json"))["items"] == []
    assert "Nothing new today" in held(typed("digest", "--site", "daily", "--json"))["subject"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name --site, or --visitor, or both"),
        (["--site", "moon"], "--site 'moon' is unknown; known: daily, guide"),
        (["--site", "daily", "--now", "noon"], "--now 'noon' is not a time"),
        (["--site", "daily", "-n", "0"], "Invalid value for '-n'"),
        (["--site", "daily", "--format", "pdf"], "'pdf' is not one of 'text', 'html', 'eml'"),
        (["--site", "daily", "--service", "recs.example"], "--service 'recs.example' is no"),
        (["--site", "daily", "--output", "/dev/null/x"], "/dev/null/x cannot be written"),
    ],
)
def test_wrong_words_end_with_one_sentence(typed, tmp_path, words, said):
    (tmp_path / "recsys.toml").write_text(CONFIGURATION)
    done = typed("digest", *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not done.out


def test_help_teaches_with_an_example(typed):
    assert "recsys digest --site daily --format html" in typed("digest", "--help").out


# In a browser, which draws what most mail programs draw


@pytest.fixture
def page(stocked, tmp_path) -> str:
    path: Path = tmp_path / "digest.html"
    done = stocked("--site", "daily", "-n", 28, "--format", "html", "--output", path)
    assert done.code == 0, done.err
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_bars_nobody_and_runs_nothing(page, open_page, barriers, scheme):
    seen = open_page(page, color_scheme=scheme)
    assert barriers(seen) == ""
    assert HOSTILE in seen.locator("body").inner_text()
    assert DAILY in seen.locator("h1").inner_text()
    assert seen.title() != "owned"
    assert seen.complaints == []
    assert [request.url for request in seen.asked] == [page], "there are no pictures here"


def test_it_fits_a_phone_and_twice_the_size(page, open_page):
    seen = open_page(page, viewport={"width": 320, "height": 640})
    assert seen.evaluate("document.documentElement.scrollWidth") <= 320
    seen.evaluate("document.body.style.zoom = 2")
    assert seen.evaluate("document.documentElement.scrollWidth") <= 320


def test_it_reads_without_the_styles_that_mail_programs_drop(page, open_page):
    seen = open_page(page, color_scheme="light")
    seen.evaluate("document.querySelector('style').remove()")
    assert seen.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 25)"
    assert seen.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "28px"
    column = seen.locator("[role=main]").bounding_box()
    assert column["width"] <= 640
