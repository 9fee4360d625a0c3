"""Lets the sample network's readers use a running service as browsers do, over HTTP."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson

from data.sample.audience import Audience
from recsys.types import ArticleId

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 SampleAudience"
LONGEST_VISIT = 6
"""Pages after which everybody has had enough."""
AT_ONCE = 16
"""Visits under way at a time; where the service is slower, arrivals wait."""


@dataclass(frozen=True, slots=True)
class Story:
    """News that breaks: a share of all visits begins with it."""

    article: ArticleId
    share: float = 0.3


@dataclass(eq=False)
class Tally:
    """What happened so far; safe to count in from several threads."""

    counts: Counter[str] = field(default_factory=Counter)
    story_opened: float = 0.0
    """When the story was first opened, ``time.monotonic``; 0 before."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str, n: int = 1) -> None:
        """Count."""
        with self._lock:
            self.counts[name] += n


class Browsers:
    """Simulated readers in front of one service that serves the demo's pages."""

    def __init__(self, url: str, audience: Audience, story: Story, seed: int) -> None:
        self.audience = audience
        self.story = story
        self.tally = Tally()
        self._seed = seed
        parts = urlsplit(url)
        headers = {"User-Agent": AGENT, "Origin": f"{parts.scheme}://{parts.netloc}"}
        limits = httpx.Limits(max_connections=AT_ONCE * 2)
        self._client = httpx.Client(base_url=url, headers=headers, timeout=20, limits=limits)

    def run(self, rate: float, until: Callable[[], bool]) -> None:
        """Let ``rate`` readers a second arrive at random, until told to stop."""
        draw = random.Random(self._seed)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            room = threading.BoundedSemaphore(AT_ONCE * 4)
            number = 0
            while not until():
                time.sleep(draw.expovariate(rate))
                room.acquire()
                visit = random.Random(f"{self._seed}/{number}")
                pool.submit(self._visit, visit).add_done_callback(lambda _: room.release())
                number += 1

    def trending(self, n: int = 10) -> list[dict[str, Any]]:
        """Return what trends on the network; raises ``httpx.HTTPError`` where it is not told."""
        answer = self._client.get("/v1/trending", params={"n": n})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _visit(self, draw: random.Random) -> None:
        """Let one reader come, read, follow cards, and leave."""
        self.tally.add("visits")
        reader = self.audience.arrives(draw)
        breaking = draw.random() < self.story.share
        row = self.audience.row(self.story.article) if breaking else -1
        if row < 0:
            row = self.audience.lands_on(reader, int(time.time()), draw)
        who: dict[str, Any] = {"session": f"tab-{draw.getrandbits(64):x}"}
        if self.audience.consent[reader]:
            who |= {"visitor": f"reader-{reader}", "consent": True}
        try:
            for _ in range(LONGEST_VISIT):
                followed = self._page(reader, row, who, draw)
                if followed < 0:
                    return
                row = followed
        except httpx.HTTPError:
            self.tally.add("errors")

    def _page(self, reader: int, row: int, who: dict[str, Any], draw: random.Random) -> int:
        """Open an article, look at the box under it; returns the row of the card opened, or -1."""
        article = self.audience.articles[row]
        names = {"site": article.site, "key": article.key}
        page = self._client.get(f"/demo/{quote(article.site)}/{quote(article.key)}")
        page.raise_for_status()
        self.tally.add("pages")
        seen = {"kind": "read", "id": f"{draw.getrandbits(128):032x}", **names, **who}
        known = {name: str(value).lower() for name, value in who.items()}
        box = self._client.get("/v1/recommendations", params={**names, **known}).json()
        looked = self.audience.examines(len(box["items"]), draw)
        cards = [box["items"][slot] for slot in looked]
        events = [seen, *(self._about(box, card, "impression", who) for card in cards)]
        followed = -1
        for card in cards:
            target = self.audience.row(ArticleId(card["site"], card["key"]))
            if target >= 0 and self.audience.clicks(reader, target, draw):
                events.append(self._about(box, card, "click", who))
                followed = target
                break
        self._report(events)
        if article == self.story.article and not self.tally.story_opened:
            self.tally.story_opened = time.monotonic()
        return followed

    def _about(
        self, box: dict[str, Any], card: dict[str, Any], kind: str, who: dict[str, Any]
    ) -> dict[str, Any]:
        names = {name: card[name] for name in ("site", "key", "position")}
        return {"kind": kind, "slate": box["slate"], **names, **who}

    def _report(self, events: list[dict[str, Any]]) -> None:
        # As beacons come: JSON that calls itself text.
        answer = self._client.post(
            "/v1/events",
            content=orjson.dumps({"events": events}),
            headers={"Content-Type": "text/plain;charset=UTF-8"},
        )
        answer.raise_for_status()
        for event in events:
            self.tally.add({"read": "views"}.get(event["kind"], f"{event['kind']}s"))
        self.tally.add("refused", len(answer.json()["refused"]))
