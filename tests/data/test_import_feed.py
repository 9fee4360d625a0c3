"""Feeds as they come: from files, from the web, and broken."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data.importers import feed, rows
from recsys.errors import DataError
from recsys.types import Article

NOW = 1_800_000_000
FEEDS = Path(__file__).parent / "published" / "feeds"


def never(key: str) -> None:
    """Know no article yet."""


def read(source: object) -> tuple[list[Article], list[str]]:
    batch, notes = feed.read(str(source), "harbour", NOW, never, private=True)
    made = [rows.article(row) for row in batch.rows]
    return [article for article in made if isinstance(article, Article)], notes


def test_an_rss_item_gives_all_it_says():
    articles, _ = read(FEEDS / "rss.xml")
    assert articles[0] == Article(
        site="harbour",
        key="harbour-1",
        url="https://harbour.example/ferry",
        title="Ferry timetable & fares change",
        published=1_795_390_200,
        body="The first boat leaves at six.\n\nThe last at nine.",
        section="Transport",
        tags=("Transport", "Sea"),
        authors=("Aiko Mori",),
        language="en-GB",
        image="https://harbour.example/ferry.jpg",
    )


def test_an_item_without_guid_is_known_by_its_link_and_an_enclosure_is_its_image():
    articles, _ = read(FEEDS / "rss.xml")
    assert articles[1].key == articles[1].url == "https://harbour.example/market"
    assert articles[1].image == "https://harbour.example/market.png"


def test_an_undated_entry_stays_at_the_time_it_was_first_seen():
    articles, notes = read(FEEDS / "rss.xml")
    assert articles[1].published == NOW
    assert "2 of 3 entries have no date" in notes[0]
    batch, _ = feed.read(str(FEEDS / "rss.xml"), "harbour", NOW, lambda key: 7)
    assert [row["published"] for row in batch.rows] == [1_795_390_200, 7, NOW]


def test_a_date_that_is_none_counts_as_absent(tmp_path):
    text = (FEEDS / "rss.xml").read_text().replace("Mon, 23 Nov 2026 08:30:00 +0900", "soon")
    (tmp_path / "a.xml").write_text(text)
    articles, notes = read(tmp_path / "a.xml")
    assert articles[0].published == NOW
    assert "3 of 3" in notes[0]


def test_a_feed_without_entries_is_empty(tmp_path):
    (tmp_path / "a.xml").write_text('<rss version="2.0"><channel><title>T</title></channel></rss>')
    assert read(tmp_path / "a.xml") == ([], [])


def test_an_atom_entry_gives_all_it_says():
    articles, notes = read(FEEDS / "atom.xml")
    assert notes == []
    assert articles == [
        Article(
            site="harbour",
            key="urn:town:7",
            url="https://town.example/7",
            title="雪の朝市",
            published=1_795_154_400,
            body="湯気の立つ屋台。",
            authors=("森 愛子",),
            language="ja",
            image="https://town.example/7.jpg",
        )
    ]


def test_a_broken_feed_keeps_what_is_good_and_says_what_is_broken(tmp_path):
    whole = (FEEDS / "rss.xml").read_text()
    path = tmp_path / "cut.xml"
    path.write_text(whole[: whole.index("<enclosure")])
    articles, notes = read(path)
    assert articles[0].key == "harbour-1"
    assert any("not well-formed" in note for note in notes)


@pytest.mark.parametrize(
    "text", ["", "hello", "<html><body><p>Hi</p></body></html>", "/etc/passwd"]
)
def test_what_is_no_feed_is_told(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match="no RSS or Atom"):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize("source", ["none.xml", "ftp://example.org/rss", "file:///etc/passwd"])
def test_what_cannot_be_read_is_told(source):
    with pytest.raises(DataError, match="cannot read"):
        read(source)


def test_a_file_beyond_the_limit_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(feed, "LARGEST", 100)
    (tmp_path / "a.xml").write_text("x" * 101)
    with pytest.raises(DataError, match="larger than"):
        read(tmp_path / "a.xml")


class Site(BaseHTTPRequestHandler):
    """A site with a feed, and with addresses that lead elsewhere."""

    def do_GET(self) -> None:
        where = {
            "/moved": "/deep/rss.xml",
            "/file": "file:///etc/passwd",
            "/circle": "/circle",
        }.get(self.path)
        self.send_response(302 if where else 404 if self.path == "/none" else 200)
        if where:
            self.send_header("location", where)
        self.end_headers()
        if self.path == "/endless":
            self.wfile.write(bytes(200_000))
        elif self.path.endswith(".xml"):
            body = (FEEDS / "rss.xml").read_bytes()
            self.wfile.write(body.replace(b"https://harbour.example/market<", b"../market<"))

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_feed_comes_from_the_web_with_its_links_made_whole(site):
    for address in ("/deep/rss.xml", "/moved"):
        articles, _ = read(site + address)
        assert articles[0].key == "harbour-1"
        assert articles[1].url == f"{site}/market"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/file", "expected an http or https address"),
        ("/circle", "redirects more than 5 times"),
        ("/none", "404"),
    ],
)
def test_a_feed_follows_only_redirects_that_lead_somewhere(site, address, said):
    with pytest.raises(DataError, match=said):
        read(site + address)


def test_a_download_beyond_the_limit_stops(site, monkeypatch):
    monkeypatch.setattr(feed, "LARGEST", 1_000)
    with pytest.raises(DataError, match="larger than"):
        read(f"{site}/endless")


def test_a_site_that_does_not_answer_is_told():
    with pytest.raises(DataError, match=r"cannot read http://127\.0\.0\.1:1/"):
        read("http://127.0.0.1:1/rss")
