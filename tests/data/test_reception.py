"""How a bundle is received is what counting its cards one by one in plain Python finds."""

import random
from collections import Counter, defaultdict

from data import reception
from recsys.types import ArticleId, Event, Kind

HOUR = 3_600
PAGES, PLACEMENTS, ARMS = ("daily", "guide"), ("article", "home"), ("", "x/plain")


def shown(count: int = 400) -> list[Event]:
    """Cards of two bundles for some fifty readers, clicked now and then, told in any order."""
    draw, events = random.Random(3), []
    for slate in range(count):
        of = {
            "seen_on": draw.choice(PAGES),
            "placement": draw.choice(PLACEMENTS),
            "arm": draw.choice(ARMS),
            "bundle": draw.choice(("new", "old")),
            "session": f"s{draw.randrange(50)}",
            "slate": f"slate-{slate}",
        }
        at = draw.randrange(2 * 24 * HOUR)
        for place in range(3):
            for kind in (Kind.IMPRESSION, Kind.CLICK):
                if kind == Kind.IMPRESSION or draw.random() < 0.2:
                    id, article = f"{slate}-{place}-{kind}", ArticleId("daily", f"a-{place}")
                    late = at + 60 * kind
                    events.append(Event(id, kind, article, late, position=place, **of))
    draw.shuffle(events)
    return events


def test_cells_and_spread_are_those_of_counting(store):
    events = shown()
    store.put_events(events)
    since, until, settled = 5 * HOUR, 47 * HOUR, 40 * HOUR
    cards: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.bundle == "new" and since <= event.at < until:
            cards[event.slate, str(event.article)].append(event)
    many, clicked, readers = Counter(), Counter(), defaultdict(lambda: [0, 0])
    places = {("daily", "article", ""), ("guide", "home", "x/plain")}
    for told in cards.values():
        first, one = min(event.at for event in told), told[0]
        if first >= settled:
            continue
        cell = (one.seen_on, one.placement, one.arm, first // HOUR % 24)
        click = any(event.kind == Kind.CLICK for event in told)
        many[cell] += 1
        clicked[cell] += click
        if cell[:3] in places:
            readers[one.session][0] += click
            readers[one.session][1] += 1
    found = reception.cells(store, "new", since, until, settled)
    assert found == {cell: (many[cell], clicked[cell]) for cell in many}
    sums = reception.spread(store, "new", since, until, settled, places)
    assert (sums.readers, sums.clicking) == (
        len(readers),
        sum(c > 0 for c, _ in readers.values()),
    )
    assert (sums.c, sums.n) == tuple(map(sum, zip(*readers.values(), strict=True)))
    assert sums.cn == sum(c * n for c, n in readers.values())
    assert (sums.cc, sums.nn) == tuple(
        sum(pair[i] ** 2 for pair in readers.values()) for i in range(2)
    )


def test_who_is_shown_more_than_anybody_sees_is_left_out(store):
    robot = [
        Event(
            f"r{n}",
            Kind.IMPRESSION,
            ArticleId("daily", "a"),
            HOUR,
            session="robot",
            seen_on="daily",
            slate=f"r{n}",
            bundle="new",
            placement="article",
        )
        for n in range(reception.MOST + 1)
    ]
    store.put_events(robot[:-1])
    cell = ("daily", "article", "", 1)
    assert reception.cells(store, "new", 0, 2 * HOUR, 2 * HOUR) == {cell: (reception.MOST, 0)}
    store.put_events(robot)
    assert reception.cells(store, "new", 0, 2 * HOUR, 2 * HOUR) == {}


def test_where_nothing_was_shown_there_is_nothing(store):
    assert reception.cells(store, "new", 0, HOUR, HOUR) == {}
    sums = reception.spread(store, "new", 0, HOUR, HOUR, {("daily", "article", "")})
    assert (sums.readers, sums.n, sums.c) == (0, 0, 0)
