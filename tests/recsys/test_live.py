"""What Live learns from a stream is what a training would learn, and what it shows never tears."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import coread, trending
from recsys.bundle import Bundle, Manifest
from recsys.ids import Vocabulary
from recsys.live import Live, LiveSettings
from recsys.rules import Action, Aim, Rule
from recsys.stories import Tellings
from recsys.tables import Interactions
from recsys.trials import PRIOR, click_rate
from recsys.types import NEVER, Article, ArticleId, Event, Kind
from recsys.view import View
from recsys.visits import GAP
from training.fit import fit
from training.recipe import Recipe

NOW = 1_760_000_000
COUNT = 6
WIRE = " ".join(f"word{n} of one story that two sites tell" for n in range(40))


def article(number: int, **changes: object) -> Article:
    made = Article(
        site=f"site{number % 2}",
        key=f"a{number}",
        url=f"https://site{number % 2}.example/{number}",
        title=f"Title {number}",
        published=NOW - 90_000 + number,
        body=" ".join(f"term{number}x{n % 7} topic{number % 3}" for n in range(30)),
    )
    return dataclasses.replace(made, **changes)


ARTICLES = [article(number) for number in range(COUNT)]
A, B, C, D, *_ = (one.id for one in ARTICLES)


def click(id: ArticleId, at: int, visitor: str = "", session: str = "", **other: object) -> Event:
    values = {"kind": Kind.CLICK, "article": id, "at": at, "visitor": visitor, "session": session}
    return Event(**{"id": f"{id}{at}", **values, **other})


def table(events: list[Event]) -> tuple[Vocabulary, Interactions]:
    visitors = Vocabulary(dict.fromkeys(e.visitor for e in events if e.visitor))
    sessions = Vocabulary(dict.fromkeys(e.session for e in events if e.session))
    slates = Vocabulary(dict.fromkeys(e.slate for e in events if e.slate))
    rows = {one.id: row for row, one in enumerate(ARTICLES)}
    return visitors, Interactions(
        visitor=visitors.rows(e.visitor for e in events),
        session=sessions.rows(e.session for e in events),
        article=np.array([rows[e.article] for e in events], np.int32),
        kind=np.array([e.kind for e in events], np.int8),
        at=np.array([e.at for e in events], np.int64),
        value=np.zeros(len(events), np.float32),
        slate=slates.rows(e.slate for e in events),
    )


def learned(events: list[Event]) -> Bundle:
    return fit(ARTICLES, *table(events), Recipe(dims=4, factors=4, neighbours=3), NOW)


@pytest.fixture(scope="module")
def unread() -> Bundle:
    return learned([])


@pytest.fixture
def live(unread: Bundle) -> Live:
    return Live(unread)


def transitions(live: Live) -> dict[tuple[int, int], list[float]]:
    rows = ((row, *live.coread.row(row, NOW)) for row in range(COUNT))
    return {
        (row, int(to)): heard.tolist()
        for row, successors, counts in rows
        for to, heard in zip(successors, counts.T, strict=True)
    }


kinds = st.sampled_from(list(Kind))
opening = st.tuples(
    st.integers(0, 2), st.integers(0, COUNT - 1), st.integers(0, 2_500), kinds, st.booleans()
)


def stream(rows: list[tuple[int, int, int, Kind, bool]], identity: str) -> list[Event]:
    """Events of three readers: each row says how many seconds after the one before it came."""
    at = NOW - sum(gap for _, _, gap, *_ in rows) - 1
    events = []
    for reader, number, gap, kind, boxed in rows:
        at += gap
        names = {
            "visitor": ({"visitor": f"v{reader}"}),
            "session": ({"session": f"s{reader}"}),
            "nobody": {},
        }[identity]
        slate = f"slate-{at}" if boxed else ""
        events.append(click(ARTICLES[number].id, at, kind=kind, slate=slate, **names))
    return events


@settings(max_examples=60)
@given(
    rows=st.lists(opening, max_size=30),
    identity=st.sampled_from(["visitor", "session", "nobody"]),
)
def test_a_stream_teaches_what_a_training_on_the_same_events_teaches(
    unread: Bundle, rows: list, identity: str
) -> None:
    events = stream(rows, identity)
    live = Live(unread)
    live.observe(events)
    opens = table(events)[1]
    wanted = trending.fit(opens, COUNT, NOW, live.trends.half_lives)
    for part in trending.PARTS:
        counts = getattr(wanted, part).counts(NOW)
        assert getattr(live.trends, part).counts(NOW) == pytest.approx(counts, abs=1e-12)
    fitted = coread.fit(opens, COUNT, now=NOW, half_lives=live.coread.half_lives)
    again = {
        (row, int(to)): heard.tolist()
        for row in range(COUNT)
        for to, heard in zip(fitted.row(row, NOW)[0], fitted.row(row, NOW)[1].T, strict=True)
    }
    found = transitions(live)
    assert found.keys() == again.keys()
    for pair, heard in found.items():
        assert heard == pytest.approx(again[pair], rel=1e-3, abs=1e-9)


@settings(max_examples=30)
@given(rows=st.lists(opening, max_size=20), cut=st.integers(0, 20))
def test_readers_keep_what_the_bundle_knows_of_them(rows: list, cut: int) -> None:
    events = stream(rows, "visitor")
    live = Live(learned(events[:cut]))
    live.observe(events[cut:])
    for reader in range(3):
        opened = {
            e.article for e in events if e.visitor == f"v{reader}" and e.kind != Kind.IMPRESSION
        }
        found = live.opened(f"v{reader}").tolist()
        assert len(found) == len(set(found))
        assert {live.view.catalogue.id(row) for row in found} == opened


def test_a_voice_that_the_bundle_has_counted_is_not_counted_again() -> None:
    events = [click(A, NOW - 100, "ann", "s1")]
    live = Live(learned(events))
    before = live.trends.counts(NOW)
    live.observe([click(A, NOW, "ann", "s2")])
    assert live.trends.counts(NOW) == pytest.approx(before)


def test_going_on_to_an_article_says_more_than_landing_on_it(live: Live) -> None:
    live.observe([click(A, NOW, "ann", "s"), click(B, NOW, "ann", "s"), click(C, NOW)])
    landed, went_on, nobody = live.trends.counts(NOW)[0][:3]
    assert 0 < landed < went_on
    assert nobody == pytest.approx(landed)


def test_a_visit_goes_on_within_its_session_however_long_it_is_silent(live: Live) -> None:
    live.observe([click(A, NOW, "ann", "s"), click(B, NOW + 2 * GAP, "ann", "s")])
    assert live.visit("ann", NOW + 2 * GAP) == (0, 1)
    assert (0, 1) in transitions(live)


def test_a_visit_ends_with_another_session_or_with_silence(live: Live) -> None:
    live.observe([click(A, NOW, "ann", "s1"), click(B, NOW + 1, "ann", "s2")])
    assert live.visit("ann", NOW + 1) == (1,)
    live.observe([click(A, NOW, "bob"), click(B, NOW + GAP, "bob")])
    assert live.visit("bob", NOW + GAP) == (0, 1)
    live.observe([click(C, NOW + 2 * GAP + 1, "bob")])
    assert live.visit("bob", NOW + 2 * GAP + 1) == (2,)
    assert set(transitions(live)) == {(0, 1)}  # by bob; ann's two visits lead nowhere


def test_nobody_is_in_a_visit_after_half_an_hour_of_silence(live: Live) -> None:
    live.observe([click(A, NOW, "ann", "s")])
    assert live.visit("ann", NOW + GAP) == (0,)
    assert live.visit("ann", NOW + GAP + 1) == ()
    assert live.visit("stranger", NOW) == ()


def test_without_consent_a_session_is_the_reader(live: Live) -> None:
    live.observe([click(A, NOW, session="s"), click(B, NOW, session="s")])
    assert live.opened("s").tolist() == [0, 1]
    assert (0, 1) in transitions(live)


def test_the_reader_who_was_here_last_stays_when_room_is_short(unread: Bundle) -> None:
    live = Live(unread, LiveSettings(readers=2, remembered=3))
    for visitor in ("ann", "bob", "ann", "eve"):
        live.observe([click(A, NOW, visitor)])
    assert [len(live.opened(visitor)) for visitor in ("ann", "bob", "eve")] == [1, 0, 1]
    live.observe([click(one.id, NOW, "eve") for one in ARTICLES])
    assert live.opened("eve").tolist() == [3, 4, 5]
    assert live.visit("eve", NOW) == (3, 4, 5)


def test_a_new_description_of_a_known_article_replaces_the_old_one(live: Live) -> None:
    moved = article(0, url="https://site0.example/new", title="Anew", published=NOW, expires=NOW)
    vector = live.vectors(np.array([0], np.int32))
    live.add([moved])
    assert live.card(0).title == "Anew"
    assert live.find_url(moved.url) == 0
    assert len(live.view.catalogue) == COUNT
    assert live.view.catalogue.expires[[0, 1]].tolist() == [NOW, NEVER]
    assert live.bundle.catalogue.expires[0] == NEVER
    assert np.array_equal(live.vectors(np.array([0], np.int32)), vector)


def test_of_two_descriptions_in_one_batch_the_later_counts(live: Live) -> None:
    live.add([article(9, title="First"), article(0, title="Old"), article(9, title="Second")])
    assert live.card(live.find_url(article(9).url)).title == "Second"
    assert live.card(0).title == "Old"
    assert len(live.view.catalogue) == COUNT + 1


def test_copies_that_come_together_are_one_story(live: Live) -> None:
    live.add([article(10, body=WIRE), article(11, body=WIRE + " More."), article(12)])
    first, second, other = live.view.catalogue.story[COUNT:].tolist()
    assert first == second != other
    assert not {first, other} & set(live.bundle.catalogue.story.tolist())


def test_a_copy_of_a_bundled_article_joins_its_story(live: Live) -> None:
    live.add([article(10, body=ARTICLES[3].body)])
    assert live.view.catalogue.story[COUNT] == live.bundle.catalogue.story[3]


def content(view: View) -> list[object]:
    """Everything that a request may read of a view, by value."""
    parts = [view, view.catalogue, view.board]
    values = [getattr(part, name) for part in parts for name in part.__slots__]
    arrays = [value.tolist() for value in values if isinstance(value, np.ndarray)]
    names = [list(value) for value in values if isinstance(value, Vocabulary)]
    return [*arrays, names, dict(view.cards), dict(view.urls), len(view.related)]


def test_a_view_in_use_never_changes(live: Live) -> None:
    live.refresh(NOW)
    held = live.view
    before = content(held)
    live.add([article(10), article(0, title="Anew")])
    live.withdraw([B])
    live.observe([click(C, NOW, "ann")])
    live.refresh(NOW)
    assert held is not live.view
    assert content(held) == before
    assert content(live.view) != before
    assert not held.withdrawn.any()


def test_a_bundle_in_use_never_changes(unread: Bundle) -> None:
    live = Live(unread)
    live.observe([click(A, NOW, "ann", "s"), click(B, NOW, "ann", "s")])
    assert not unread.trends.counts(NOW).any()
    assert len(unread.coread.row(0, NOW)[0]) == 0


def test_what_is_withdrawn_expired_or_not_yet_out_does_not_trend(live: Live) -> None:
    live.add([article(4, expires=NOW + 10), article(5, published=NOW + 20)])
    live.withdraw([A, ArticleId("site0", "unknown")])
    live.observe([click(one.id, NOW, f"v{n}") for n, one in enumerate(ARTICLES)])
    for moment, there in ((NOW, [1, 2, 3, 4]), (NOW + 10, [1, 2, 3]), (NOW + 20, [1, 2, 3, 5])):
        live.refresh(moment)
        view = live.view
        assert sorted(view.board.rows.tolist()) == there
        assert sorted(view.newest.tolist()) == there
        assert sorted(view.pool.tolist()) == there


number = st.integers(0, COUNT + 3)
change = st.one_of(
    st.tuples(st.just("add"), number, st.integers(-50, 50), st.integers(1, 90), st.booleans()),
    st.tuples(st.just("withdraw"), number),
    st.tuples(st.just("block"), st.sampled_from(["site0/a0", "site1/a9", "food"])),
    st.tuples(st.just("read"), number, st.integers(0, 20)),
    st.tuples(st.just("shown"), number, st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(-30, 60)),
)


@settings(max_examples=60)
@given(changes=st.lists(change, max_size=25), few=st.booleans())
def test_whatever_changed_a_refresh_finds_what_a_naive_one_would(
    unread: Bundle, changes: list, few: bool
) -> None:
    live = Live(unread, LiveSettings(per_site=1 + few, pool=3, trial_shown=2.0))
    known = {str(one.id): one for one in ARTICLES}
    gone, rules, now = set(), [], NOW
    for step, (kind, what, *more) in enumerate(changes):
        one = article(what) if kind in ("add", "withdraw", "read", "shown") else None
        if kind == "add":
            ahead, lasts, food = more
            at = now + ahead
            one = article(what, published=at, expires=at + lasts, section="food" if food else "")
            live.add([one])
            known[str(one.id)] = one
            gone.discard(str(one.id))
        elif kind == "withdraw":
            live.withdraw([one.id])
            gone |= {str(one.id)} & known.keys()
        elif kind == "block":
            aim = Aim.SECTION if what == "food" else Aim.ARTICLE
            rules = [*rules, Rule(f"r{step}", Action.BLOCK, aim, what)]
            live.rule(rules)
        elif kind == "wait":
            now += what
        else:
            seen = Kind.IMPRESSION if kind == "shown" else Kind.CLICK
            slate = "box" if kind == "shown" or more[0] % 3 == 0 else ""
            live.observe([click(one.id, now - more[0], f"v{step}", kind=seen, slate=slate)])
        live.refresh(now)
    live.refresh(now)
    _agrees_with_a_naive_refresh(live, known, gone, {rule.value for rule in rules}, now)


def _agrees_with_a_naive_refresh(
    live: Live, known: dict[str, Article], gone: set[str], blocked: set[str], now: int
) -> None:
    view, limits = live.view, live.settings
    ids = list(view.catalogue.ids)
    assert set(ids) == set(known)
    up = {
        row
        for row, id in enumerate(ids)
        if known[id].published <= now < known[id].expires
        and id not in gone
        and not blocked & {id, known[id].section}
    }
    counts = live.trends.counts(now)
    counts[:, [row for row in range(len(ids)) if row not in up]] = 0
    share = [trending.shares(counts[-1])]
    for clock in counts[-2::-1]:
        share.insert(0, trending.shares(clock, share[0]))
    assert view.board.share == pytest.approx(share[0], rel=1e-5, abs=1e-12)
    assert view.board.usual == pytest.approx(share[-1], rel=1e-5, abs=1e-12)
    ranked = sorted((row for row in up if share[0][row] > 0), key=lambda r: (-share[0][r], r))
    site = [id.partition("/")[0] for id in ids]
    best = {
        row
        for code in set(site)
        for row in [r for r in ranked if site[r] == code][: limits.per_site]
    }
    assert set(view.board.rows.tolist()) == best
    newest = sorted(up, key=lambda row: (-known[ids[row]].published, row))[: limits.pool]
    assert view.newest.tolist() == newest
    pool = list(dict.fromkeys([*view.board.rows.tolist(), *newest]))[: limits.pool]
    assert view.pool.tolist() == pool
    assert np.array_equal(view.pool_factors, live.factors(np.array(pool, np.int32)))
    stories = view.catalogue.story
    for story in set(stories.tolist()):
        together = share[0][stories == story].sum()
        assert view.story_share[story] == pytest.approx(together, rel=1e-5, abs=1e-12)
    clicked, shown = (part.counts(now)[-1] for part in (live.trends.clicked, live.trends.shown))
    rate = click_rate(clicked.sum(), shown.sum())
    assert view.click_rate == pytest.approx((clicked + PRIOR * rate) / (shown + PRIOR), rel=1e-5)
    assert view.exposure == pytest.approx(shown, rel=1e-5)
    tellings = Tellings.of(stories, view.catalogue.site)
    assert view.tellings.counts.tolist() == tellings.counts.tolist()
    assert view.tellings.told.tolist() == tellings.told.tolist()
    for row, id in enumerate(ids):
        assert view.catalogue.published[row] == known[id].published
        assert view.catalogue.sections[view.catalogue.section[row]] == known[id].section


def test_withdrawing_before_the_article_is_known_does_not_bar_it(live: Live) -> None:
    live.withdraw([article(10).id])
    live.add([article(10)])
    assert not live.view.withdrawn[COUNT]


def test_a_live_state_without_a_bundle_learns_all_the_same() -> None:
    live = Live(dataclasses.replace(Bundle.empty(), manifest=Manifest("none")))
    live.add(ARTICLES)
    live.observe([click(A, NOW, "ann", "s"), click(B, NOW, "ann", "s")])
    live.refresh(NOW)
    assert live.view.board.rows.tolist() == [1, 0]
    assert (0, 1) in transitions(live)


@pytest.mark.parametrize("row", [0, COUNT, COUNT + 1])
def test_old_and_new_articles_are_related_to_each_other(live: Live, row: int) -> None:
    live.add([article(9), article(10)])
    live.add([article(12, body=ARTICLES[0].body + " and more besides")])
    vectors = live.vectors(np.arange(COUNT + 3, dtype=np.int32))
    likeness = (vectors @ vectors[row]).tolist()
    ranked = sorted(range(COUNT + 3), key=lambda other: (-likeness[other], other))
    alike = [other for other in ranked if other != row and likeness[other] > 1e-6]
    # Of the bundle's articles only the nearest are kept, of those that came later all.
    old = [other for other in alike if other < COUNT][: live.bundle.related.shape[1]]
    wanted = [other for other in alike if other in old or other >= COUNT]
    rows, cosines = live.related(live.view, row)
    kept = cosines > 1e-6
    assert len(set(rows.tolist())) == len(rows)
    assert cosines == pytest.approx([likeness[other] for other in rows.tolist()], abs=1e-6)
    assert cosines[kept] == pytest.approx([likeness[other] for other in wanted], abs=1e-6)


def test_an_impression_is_exposure_and_no_reader(live: Live) -> None:
    live.observe([click(A, NOW, f"v{n}", kind=Kind.IMPRESSION, slate=f"s{n}") for n in range(3)])
    assert live.trends.shown.counts(NOW)[0][0] == pytest.approx(3.0)
    assert not live.trends.counts(NOW).any()
    assert not len(live.opened("v0"))


def test_a_forgotten_reader_is_a_stranger_to_live_state_and_bundle() -> None:
    live = Live(learned([click(A, NOW - 9_000, "v0"), click(B, NOW - 8_000, "v1")]))
    live.observe([click(C, NOW - 60, "v0")])
    live.forget(["v0", "nobody"])
    assert not len(live.opened("v0"))
    assert live.visit("v0", NOW) == ()
    assert live.bundled_reader("v0") == -1
    assert live.opened("v1").tolist() == [1]
    live.observe([click(D, NOW, "v0")])
    assert live.opened("v0").tolist() == [3]


def test_on_trial_is_what_came_lately_was_shown_little_and_is_nobodys_advertisement(
    unread: Bundle,
) -> None:
    live = Live(unread, LiveSettings(trial_age=89_997, trial_shown=10.0))
    live.add([article(20, sponsored=True), article(21), article(22, expires=NOW)])
    seen = ARTICLES[4].id
    live.observe([click(seen, NOW, kind=Kind.IMPRESSION, slate=f"s{n}") for n in range(11)])
    live.refresh(NOW)
    ids = live.view.catalogue.ids
    assert [ids[int(row)] for row in live.view.trials.rows] == ["site1/a21", "site1/a5"]
    first = live.view.trials.rates
    live.refresh(NOW)
    np.testing.assert_array_equal(first, live.view.trials.rates)


def test_trends_neither_explode_nor_stand_still_when_the_clock_is_set_back(live: Live) -> None:
    ids = [live.view.catalogue.id(row) for row in (0, 1)]
    live.observe(click(ids[0], NOW, session=f"before {n}") for n in range(8))
    live.refresh(NOW)
    share = live.view.board.share[:2]
    live.refresh(NOW - 3600)
    assert live.view.board.share[:2] == pytest.approx(share)
    assert live.view.board.fast[:2].max() < 8
    live.observe(click(ids[1], NOW - 3600, session=f"after {n}") for n in range(40))
    live.refresh(NOW - 3600)
    assert live.view.board.share[1] > live.view.board.share[0]
