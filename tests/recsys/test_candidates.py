"""Each source equals naive code written from its formula, and proposes only what may be shown."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import candidates
from recsys.bundle import Bundle
from recsys.candidates import SOURCES, Candidates, latest
from recsys.coread import CoRead
from recsys.live import Live
from recsys.policy import HalfLives, Policy, SectionRules, ToneRules, TrendRules
from recsys.rules import Action, Aim, Rule
from recsys.rulings import Matcher
from recsys.situation import Situation, tones
from recsys.tables import TONES, Catalogue
from recsys.trending import TrendBoard
from recsys.types import Article, Tone

NOW = 1_760_000_000
DAY = 86_400
HOUR = 3600
COUNT = 8
LANGUAGES = ("en", "ja")
shares = st.lists(st.integers(0, 50), min_size=COUNT, max_size=COUNT)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Articles of which some are expired, not out yet, in another language, a copy or not light."""
    articles = [
        Article(
            f"site{row % 3}",
            f"a{row}",
            f"/{row}",
            "",
            draw(st.sampled_from([NOW - 3 * DAY, NOW - DAY, NOW, NOW + 1])),
            expires=draw(st.sampled_from([NOW, NOW + 1, NOW + DAY])),
            language=draw(st.sampled_from(LANGUAGES)),
            section=draw(st.sampled_from(["News", "Guides"])),
            tone=draw(st.sampled_from(list(Tone))),
            sponsored=draw(st.booleans()),
        )
        for row in range(COUNT)
    ]
    story = [draw(st.integers(0, row)) for row in range(COUNT)]
    return Catalogue.of(articles, np.array(story, np.int32))


def board(now: list[int], earlier: list[int], usual: list[int]) -> TrendBoard:
    columns = [np.array(c, np.float32) / (sum(c) or 1) for c in (now, earlier, usual)]
    rows = np.flatnonzero(columns[0])
    rows = rows[np.lexsort((rows, -columns[0][rows]))].astype(np.int32)
    readers = [np.array(c, np.float32) for c in (now, earlier)]
    return TrendBoard(NOW, *columns, columns[1], *readers, rows=rows, scores=columns[0][rows])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    guides = SectionRules(
        half_life=draw(st.sampled_from([None, 0.0, 0.5 * DAY])),
        max_age=draw(st.sampled_from([None, 0, 2 * DAY])),
    )
    return Policy(
        half_lives=HalfLives(related=draw(st.sampled_from([0.0, 2.0 * DAY])), personal=1.0 * DAY),
        trends=TrendRules(
            floor=draw(st.sampled_from([0.0, 2.0])),
            min_age=draw(st.sampled_from([0, HOUR])),
            max_age=draw(st.sampled_from([0, DAY])),
        ),
        sections=draw(st.sampled_from([{}, {"guides": guides}])),
        max_age=draw(st.sampled_from([0, DAY + 1])),
        tone=ToneRules(page=draw(st.booleans()), classify=draw(st.booleans())),
    )


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Some blocks and tones of the articles, on every site or on one."""
    made = []
    for row in draw(st.lists(st.integers(0, COUNT - 1), max_size=4)):
        name = f"site{row % 3}/a{row}"
        if draw(st.booleans()):
            site = draw(st.sampled_from(["", "site0", "site1"]))
            made.append(Rule("b", Action.BLOCK, Aim.ARTICLE, name, site=site))
        else:
            tone = draw(st.sampled_from([Tone.GRAVE, Tone.LIGHT, Tone.NEUTRAL]))
            made.append(Rule("t", Action.TONE, Aim.ARTICLE, name, tone=tone))
    return made


@st.composite
def situations(draw: st.DrawFn) -> tuple[Live, Situation]:
    """A live state of eight articles with likeness, transitions, trends and tastes at random."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    catalogue = draw(catalogues())
    vectors = rng.normal(size=(COUNT, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :5].astype(np.int32)
    bundle = dataclasses.replace(
        Bundle.empty(dims=3, factors=2),
        catalogue=catalogue,
        vectors=vectors,
        related=nearest,
        related_scores=np.take_along_axis(cosines, nearest, axis=1),
        judged=np.zeros(COUNT, np.int8),
    )
    live = Live(bundle)
    ruled = draw(rules())
    live.coread = CoRead.empty(half_lives=(1800.0, 14.0 * DAY))
    step = st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1), st.integers(0, 5_000))
    for source, target, age in draw(st.lists(step, max_size=30)):
        if source != target:
            live.coread.add(source, target, NOW - age)
    pool = np.array(draw(st.permutations(range(COUNT)))[:6], np.int32)
    live.view = dataclasses.replace(
        live.view,
        withdrawn=np.array(draw(st.lists(st.booleans(), min_size=COUNT, max_size=COUNT))),
        board=board(draw(shares), draw(shares), draw(shares)),
        newest=np.argsort(-catalogue.published, kind="stable").astype(np.int32),
        judged=np.array(draw(st.lists(st.integers(0, 3), min_size=COUNT, max_size=COUNT)), np.int8),
        rulings=Matcher(bundle.cards).rulings(ruled, catalogue, {}),
        pool=pool,
        pool_factors=rng.normal(size=(len(pool), 2)).astype(np.float32),
    )
    trail = tuple(draw(st.permutations(range(COUNT)))[: draw(st.integers(0, 4))])
    allowed = draw(st.sampled_from([LANGUAGES, ("ja",)]))
    language = np.array([name in allowed for name in catalogue.languages] + [True])
    policy, anchor = draw(policies()), trail[-1] if trail else -1
    page = TONES[tones(live.view, np.array([anchor], np.int32), policy)[0]] if trail else Tone("")
    situation = Situation(
        view=live.view,
        now=NOW,
        site=0,
        anchor=anchor,
        trail=trail,
        opened=np.array(trail, np.int32),
        taste=draw(st.sampled_from([None, np.array([0.8, -0.3], np.float32)])),
        language=language,
        policy=policy,
        tone_of_page=page,
        context=(),
    )
    return live, situation


def tone_of(situation: Situation, row: int) -> Tone:
    """Editors before the publisher before the classifier; of two rules the newer, the first."""
    view, tones = situation.view, list(Tone)
    for rule, rows in view.rulings.matches:
        if rule.action == Action.TONE and row in rows:
            return rule.tone
    told = tones[view.catalogue.tone[row]]
    judges = told == Tone.UNKNOWN and situation.policy.tone.classify
    return tones[view.judged[row]] if judges else told


def own(situation: Situation, row: int, name: str, otherwise: float) -> float:
    catalogue = situation.view.catalogue
    rule = situation.policy.sections.get(catalogue.sections[catalogue.section[row]].lower())
    told = getattr(rule, name) if rule else None
    return otherwise if told is None else told


def may_be_shown(situation: Situation, row: int) -> bool:
    view, catalogue = situation.view, situation.view.catalogue
    if situation.policy.tone.page and situation.anchor >= 0:
        tone, page = tone_of(situation, row), tone_of(situation, situation.anchor)
        if page == Tone.GRAVE and (tone == Tone.LIGHT or catalogue.sponsored[row]):
            return False
        if page == Tone.LIGHT and tone == Tone.GRAVE:
            return False
    oldest = own(situation, row, "max_age", situation.policy.max_age)
    blocked = any(
        rule.action == Action.BLOCK and row in rows and rule.site in ("", "site0")
        for rule, rows in view.rulings.matches
    )
    return bool(
        catalogue.published[row] <= NOW < catalogue.expires[row]
        and not view.withdrawn[row]
        and not blocked
        and (not oldest or NOW - catalogue.published[row] < oldest)
        and situation.language[catalogue.language[row]]
        and all(catalogue.story[row] != catalogue.story[seen] for seen in situation.opened)
    )


def proposed(found: Candidates) -> dict[int, float]:
    return dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def shown(situation: Situation, scores: dict[int, float]) -> dict[int, float]:
    return {row: s for row, s in scores.items() if s > 0 and may_be_shown(situation, row)}


def normal(scores: dict[int, float]) -> dict[int, float]:
    total = sum(scores.values()) or 1.0
    return {row: score / total for row, score in scores.items()}


def odds(likeness: float) -> float:
    return math.expm1(candidates.SHARPNESS * max(likeness, 0.0))


def fresh(situation: Situation, row: int, half_life: float) -> float:
    age = max(NOW - int(situation.view.catalogue.published[row]), 0)
    half_life = own(situation, row, "half_life", half_life)
    return 0.5 ** (age / half_life) if half_life else 1.0


@settings(max_examples=60)
@given(situations())
def test_related_is_the_likeness_to_the_trail_faded_by_age(drawn: tuple[Live, Situation]) -> None:
    live, situation = drawn
    scores: dict[int, float] = {}
    for weight, seen in zip(candidates.TRAIL_WEIGHTS, reversed(situation.trail), strict=False):
        for row, cosine in zip(*live.related(situation.view, seen), strict=True):
            scores[int(row)] = scores.get(int(row), 0.0) + weight * odds(float(cosine))
    half_life = situation.policy.half_lives.related
    scores = normal({row: s * fresh(situation, row, half_life) for row, s in scores.items()})
    found = proposed(SOURCES["related"](live, situation, COUNT))
    assert found == pytest.approx(shown(situation, scores), rel=1e-3)


@settings(max_examples=60)
@given(situations())
def test_personal_is_the_readers_taste_faded_by_age(drawn: tuple[Live, Situation]) -> None:
    live, situation = drawn
    view, taste = situation.view, situation.taste
    scores: dict[int, float] = {}
    if taste is not None:
        for row, factors in zip(view.pool.tolist(), view.pool_factors, strict=True):
            liked = odds(min(float(factors @ taste), 2.0))
            scores[row] = liked * fresh(situation, row, situation.policy.half_lives.personal)
    found = proposed(SOURCES["personal"](live, situation, COUNT))
    assert found == pytest.approx(shown(situation, normal(scores)), rel=1e-3)


@settings(max_examples=60)
@given(situations())
def test_co_read_is_the_smoothed_chance_of_the_next_opening(
    drawn: tuple[Live, Situation],
) -> None:
    live, situation = drawn
    board = situation.view.board
    trail = list(reversed(situation.trail))[: len(candidates.TRAIL_WEIGHTS)]
    scores = dict.fromkeys(range(COUNT), 0.0)
    followed = [dict(_counts(live, seen)) for seen in trail]
    listed = {*board.rows.tolist(), *(row for one in followed for row in one)}
    for weight, counts in zip(candidates.TRAIL_WEIGHTS, followed, strict=False):
        lift = {
            row: candidates.PRIOR_SLOW + counts.get(row, (0, 0))[1] / max(board.usual[row], 1e-9)
            for row in range(COUNT)
        }
        before = normal({row: float(board.share[row]) * lift[row] for row in range(COUNT)})
        heard = sum(fast for fast, _ in counts.values())
        for row in listed:
            after = counts.get(row, (0, 0))[0] + candidates.PRIOR_FAST * before[row]
            scores[row] += weight * after / (heard + candidates.PRIOR_FAST)
    total = sum(candidates.TRAIL_WEIGHTS[: len(trail)]) or 1.0
    wanted = shown(situation, {row: score / total for row, score in scores.items()})
    risen = {row: score * _rise(board, row) for row, score in wanted.items()}
    scale = sum(wanted.values()) / (sum(risen.values()) or 1.0)
    found = proposed(SOURCES["co_read"](live, situation, COUNT))
    assert found == pytest.approx({r: s * scale for r, s in risen.items()}, rel=1e-3)


def _counts(live: Live, seen: int) -> list[tuple[int, tuple[float, float]]]:
    rows, counts = live.coread.row(seen, NOW)
    return [
        (int(row), (float(fast), float(slow)))
        for row, fast, slow in zip(rows, *counts, strict=True)
    ]


def _rise(board: TrendBoard, row: int) -> float:
    steady = float(candidates.STEADY)
    ratio = (float(board.share[row]) + steady) / (float(board.earlier[row]) + steady)
    return ratio ** float(candidates.MOMENTUM)


@settings(max_examples=60)
@given(situations())
def test_trending_is_what_the_rules_leave_of_the_board(drawn: tuple[Live, Situation]) -> None:
    live, situation = drawn
    board, rules = situation.view.board, situation.policy.trends
    wanted = {}
    for row, score in zip(board.rows.tolist(), board.scores.tolist(), strict=True):
        age = NOW - situation.view.catalogue.published[row]
        old = rules.max_age and age > rules.max_age
        if board.slow[row] >= rules.floor and age >= rules.min_age and not old:
            wanted[row] = score
    assert proposed(SOURCES["trending"](live, situation, COUNT)) == shown(situation, wanted)


@settings(max_examples=60)
@given(situations(), st.integers(1, COUNT))
def test_latest_holds_everything_that_may_be_shown_newest_first(
    drawn: tuple[Live, Situation], k: int
) -> None:
    live, situation = drawn
    published = situation.view.catalogue.published
    wanted = [row for row in range(COUNT) if may_be_shown(situation, row)]
    wanted.sort(key=lambda row: (-published[row], row))
    assert latest(live, situation, k).rows.tolist() == wanted[:k]


@settings(max_examples=60)
@given(situations(), st.sampled_from(list(SOURCES)), st.integers(1, COUNT))
def test_fewer_candidates_are_the_best_of_more(
    drawn: tuple[Live, Situation], source: str, k: int
) -> None:
    live, situation = drawn
    if source == "co_read":  # ranks what it keeps anew by what rises
        situation = dataclasses.replace(situation, view=_steady(situation))
    some, all_ = (SOURCES[source](live, situation, most) for most in (k, COUNT))
    some.check()
    all_.check()
    assert some.rows.tolist() == all_.rows.tolist()[:k]
    assert all_.scores.sum() <= 1.001


def _steady(situation: Situation) -> object:
    board = situation.view.board
    return dataclasses.replace(
        situation.view, board=dataclasses.replace(board, earlier=board.share)
    )


@given(
    scores=st.lists(st.integers(0, 9), min_size=60, max_size=90),
    gone=st.sets(st.integers(0, 89)),
    k=st.integers(1, 12),
)
def test_of_many_the_best_that_may_be_shown_are_kept(
    scores: list[int], gone: set[int], k: int
) -> None:
    articles = [Article("s", f"a{row}", "", "", NOW) for row in range(len(scores))]
    bundle = dataclasses.replace(
        Bundle.empty(),
        catalogue=Catalogue.of(articles),
        judged=np.zeros(len(articles), np.int8),
    )
    live = Live(bundle)
    # Of the whole pool nobody has opened any: what is liked is told by the factors alone.
    liked = np.array(scores, np.float32)[:, None] / 50
    live.view = dataclasses.replace(
        live.view,
        withdrawn=np.array([row in gone for row in range(len(scores))]),
        pool=np.arange(len(scores), dtype=np.int32),
        pool_factors=liked,
    )
    situation = Situation(
        view=live.view,
        now=NOW,
        site=0,
        anchor=-1,
        trail=(),
        opened=np.empty(0, np.int32),
        taste=np.ones(1, np.float32),
        language=np.ones(2, np.bool_),
        policy=Policy(),
        tone_of_page=Tone.UNKNOWN,
        context=(),
    )
    wanted = [row for row in range(len(scores)) if scores[row] and row not in gone]
    wanted.sort(key=lambda row: (-scores[row], row))
    found = SOURCES["personal"](live, situation, k)
    assert found.rows.tolist() == wanted[:k]
    found.check()
