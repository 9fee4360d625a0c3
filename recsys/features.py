"""Describes candidates to the ranker: the same numbers in training and in service."""

import math
from collections.abc import Sequence

import numpy as np

from recsys.arrays import Float32, Float64, Int32
from recsys.candidates import PRIOR_FAST, Candidates
from recsys.compiled import dot, kernel, logs, slot, slots
from recsys.live import Live
from recsys.situation import TRAIL_WEIGHTS, Situation
from recsys.stories import SITES

SOURCE_NAMES = ("co_read", "related", "trending", "personal")
STEPS = len(TRAIL_WEIGHTS)
CLOCKS = ("fast", "slow")

GROUPS: dict[str, tuple[str, ...]] = {
    "sources": (
        *(f"{source} {what}" for source in SOURCE_NAMES for what in ("score", "rank")),
        "fusion score",
        "fusion rank",
    ),
    "co-reading": (
        *(f"next after {step} {clock}" for step in range(1, STEPS + 1) for clock in CLOCKS),
        "lift after 1",
        "heard after 1",
        "certainty after 1",
    ),
    "trends": (
        "share now",
        "share earlier",
        "share of hours",
        "share of weeks",
        "rising fast",
        "rising slow",
        "readers fast",
        "readers slow",
        "circumstances",
    ),
    "story": ("story share", "story tellings", "story at home"),
    "age": ("age", "page age", "younger than page"),
    "clicks": ("click rate", "shown"),
    "content": ("likeness to page", "likeness to visit", "closest in visit"),
    "taste": ("taste", "section affinity", "site affinity"),
    "place": ("same site", "same section", "same language"),
    "question": ("hour", "device", "visit length", "articles opened", "page share"),
}
"""What the ranker is told, by group; ablations leave out a group at a time."""

FEATURES = tuple(name for names in GROUPS.values() for name in names)

RARE = 1e-7
"""Added to shares before a logarithm."""
VISIT = 10
"""Latest articles of a visit that likeness is measured to."""


def features(
    live: Live,
    situation: Situation,
    proposals: Sequence[Candidates],
    fused: tuple[Int32, Float64],
    rows: Int32,
    *,
    devices: Sequence[str] = (),
) -> Float32:
    """Return f32[m, F]: what ``FEATURES`` name of article ``rows`` int32[m], NaN where unknown.

    ``proposals`` are what the sources said and ``fused`` their union with its scores, best first;
    ``rows`` may hold others too. ``devices`` are the devices that have a code of their own. The
    table lies column by column in memory.
    """
    view, bundle = situation.view, live.bundle
    catalogue, board, now = view.catalogue, view.board, situation.now
    said = {p.source: (p.rows, p.scores) for p in proposals}
    listed: list[tuple[Int32, Float32 | Float64]] = [
        said.get(name, NOTHING) for name in SOURCE_NAMES
    ]
    listed.append(fused)
    table = np.empty((len(FEATURES), len(rows)), np.float32)
    taste, opened = situation.taste, situation.opened
    _tell(
        table,
        rows,
        np.concatenate([found for found, _ in listed]),
        np.concatenate([scores for _, scores in listed], dtype=np.float32),
        np.array([len(found) for found, _ in listed]),
        *situation.steps(live),
        *(board.share, board.earlier, board.hours, board.usual, board.fast, board.slow),
        *(catalogue.story, view.story_share, view.tellings.counts, view.tellings.told),
        *(view.click_rate, view.exposure),
        live.segments.lift(situation.context, rows, board.earlier, now),
        *(situation.anchor, situation.site, now),
        *(catalogue.published, catalogue.section, catalogue.site, catalogue.language),
        opened,
        max(len(catalogue.sections), len(catalogue.sites)),
        *(bundle.vectors, view.vectors, np.array(situation.trail[-VISIT:], np.int32)),
        *(bundle.factors.articles, view.factors, NOTHING[1] if taste is None else taste),
        *(float(now // 3600 % 24), _device(situation.context, devices)),
        *(float(len(situation.trail)), math.log1p(len(opened))),
    )
    return table.T


NOTHING = np.empty(0, np.int32), np.empty(0, np.float32)
NEXT = FEATURES.index("next after 1 fast")
LIFT, HEARD, CERTAINTY = (
    FEATURES.index(f"{name} after 1") for name in ("lift", "heard", "certainty")
)
SHARES = FEATURES.index("share now")
STORY, AGE, CLICKS = (FEATURES.index(name) for name in ("story share", "age", "click rate"))
LIKENESS, TASTE, SAME = (
    FEATURES.index(name) for name in ("likeness to page", "taste", "same site")
)
HOUR, DEVICE, VISIT_LENGTH, ARTICLES_OPENED, PAGE_SHARE = (
    FEATURES.index(name)
    for name in ("hour", "device", "visit length", "articles opened", "page share")
)


@kernel
def _tell(  # type: ignore[no-untyped-def]
    told,
    rows,
    listed,
    scores,
    sizes,
    found,
    quick,
    lasting,
    start,
    share,
    earlier,
    hours,
    usual,
    fast,
    slow,
    stories,
    story_share,
    tellings,
    tellers,
    click_rate,
    exposure,
    lift,
    anchor,
    home,
    now,
    published,
    section,
    site,
    language,
    opened,
    codes,
    vectors,
    fresh_vectors,
    visit,
    factors,
    fresh_factors,
    taste,
    hour,
    device,
    visit_length,
    articles_opened,
):
    """Fill in a table f32[F, m], column by column of what the ranker is told."""
    places = _places(rows)
    _sources(told, rows, places, listed, scores, sizes)
    _coreading(told, rows, places, found, quick, lasting, start, share, usual)
    _trends(told, rows, share, earlier, hours, usual, fast, slow, lift, anchor)
    _boxes(told, rows, stories, story_share, tellings, tellers, click_rate, exposure, home)
    _page(told, rows, published, section, site, language, now, anchor, home, opened, codes)
    _likeness(told, rows, vectors, fresh_vectors, visit, factors, fresh_factors, taste, anchor >= 0)
    told[HOUR], told[DEVICE] = hour, device
    told[VISIT_LENGTH], told[ARTICLES_OPENED] = visit_length, articles_opened


@kernel
def _places(rows):  # type: ignore[no-untyped-def]
    """Return a table of ``slots`` that knows the place of each row."""
    table = slots(len(rows))
    for place in range(len(rows)):
        table[slot(table, rows, rows[place])] = place
    return table


@kernel
def _sources(told, rows, places, listed, scores, sizes):  # type: ignore[no-untyped-def]
    """Fill in what each source, and fusion, says of the rows that it lists, best first."""
    start = 0
    told[: 2 * len(sizes)] = np.nan
    for place in range(len(scores)):
        scores[place] += np.float32(1e-9)
    logs(scores)
    for source in range(len(sizes)):
        for rank in range(sizes[source]):
            place = places[slot(places, rows, listed[start + rank])]
            if place >= 0:
                told[2 * source, place] = scores[start + rank]
                told[2 * source + 1, place] = rank
        start += sizes[source]


@kernel
def _coreading(  # type: ignore[no-untyped-def]
    told, rows, places, found, fast, slow, start, share, usual
):
    """Fill in what is opened after the last articles of the visit."""
    steps = len(start) - 1
    told[NEXT : CERTAINTY + 1] = np.nan
    for step in range(steps):
        now, long = told[NEXT + 2 * step], told[NEXT + 2 * step + 1]
        now[:], long[:], heard, lasting = 1.0, 1.0, 0.0, 0.0
        for entry in range(start[step], start[step + 1]):
            heard += fast[entry]
            lasting += slow[entry]
            place = places[slot(places, rows, found[entry])]
            if place >= 0:
                now[place] += fast[entry]
                long[place] += slow[entry]
        if step == 0:
            told[HEARD] = np.log1p(heard)
            lift, certainty = told[LIFT], told[CERTAINTY]
            lasting = max(lasting, 1e-9)
            for place in range(len(rows)):
                before = np.float64(usual[rows[place]]) + 1e-5
                lift[place] = ((long[place] - 1.0) / lasting + 1e-5) / before
                likely = (now[place] - 1.0) + PRIOR_FAST * np.float64(share[rows[place]]) + RARE
                certainty[place] = likely / (heard + PRIOR_FAST)
            logs(lift)
            logs(certainty)
        logs(now)
        logs(long)


@kernel
def _trends(  # type: ignore[no-untyped-def]
    told, rows, share, earlier, hours, usual, fast, slow, lift, anchor
):
    """Fill in what is opened now."""
    one, rare = np.float32(1.0), np.float32(RARE)
    now, before = told[SHARES], told[SHARES + 1]
    long, weeks = told[SHARES + 2], told[SHARES + 3]
    readers, more, like = told[SHARES + 6], told[SHARES + 7], told[SHARES + 8]
    for place in range(len(rows)):
        row = rows[place]
        now[place], before[place] = share[row] + rare, earlier[row] + rare
        long[place], weeks[place] = hours[row] + rare, usual[row] + rare
        readers[place], more[place] = one + fast[row], one + slow[row]
        like[place] = lift[place]
    for column in (0, 1, 2, 3, 6, 7, 8):
        logs(told[SHARES + column])
    rising, slowly = told[SHARES + 4], told[SHARES + 5]
    for place in range(len(rows)):
        rising[place] = now[place] - before[place]
        slowly[place] = before[place] - long[place]
    told[PAGE_SHARE] = np.log(np.float64(share[anchor]) + RARE) if anchor >= 0 else np.nan


@kernel
def _boxes(  # type: ignore[no-untyped-def]
    told, rows, stories, story_share, tellings, tellers, click_rate, exposure, home
):
    """Fill in what is known of the stories told, and what boxes tell of their cards."""
    one, rare = np.float32(1.0), np.float32(RARE)
    shares, times, at_home = told[STORY], told[STORY + 1], told[STORY + 2]
    rates, shown = told[CLICKS], told[CLICKS + 1]
    for place in range(len(rows)):
        row = rows[place]
        story = stories[row]
        rates[place], shown[place] = click_rate[row], one + exposure[row]
        shares[place], times[place], at_home[place] = story_share[story] + rare, tellings[story], 0
        if tellings[story] > 1:
            wanted = np.int64(story) * SITES + home
            near = np.searchsorted(tellers, wanted)
            at_home[place] = near < len(tellers) and tellers[near] == wanted
    logs(shares)
    logs(times)
    logs(shown)


@kernel
def _page(  # type: ignore[no-untyped-def]
    told, rows, published, section, site, language, now, anchor, home, opened, codes
):
    """Fill in how rows stand to the page and to what the reader has opened, but for likeness."""
    sections, sites = np.zeros(codes + 1), np.zeros(codes + 1)
    for place in range(len(opened)):
        sections[section[opened[place]]] += 1.0
        sites[site[opened[place]]] += 1.0
    page_age = np.log1p(np.float64(max(now - published[anchor], 0))) if anchor >= 0 else 0.0
    ages = told[AGE]
    told[AGE + 1 : AGE + 3] = np.nan
    told[SAME + 1 : SAME + 3] = np.nan
    for place in range(len(rows)):
        row = rows[place]
        ages[place] = 1 + max(now - published[row], 0)
        told[SAME, place] = site[row] == home
        if anchor >= 0:
            told[SAME + 1, place] = section[row] == section[anchor]
            told[SAME + 2, place] = language[row] == language[anchor]
        told[TASTE + 1, place] = sections[section[row]] / (len(opened) + 1.0)
        told[TASTE + 2, place] = sites[site[row]] / (len(opened) + 1.0)
    logs(ages)
    if anchor >= 0:
        told[AGE + 1] = page_age
        for place in range(len(rows)):
            told[AGE + 2, place] = page_age - ages[place]


@kernel
def _likeness(  # type: ignore[no-untyped-def]
    told, rows, vectors, fresh_vectors, visit, factors, fresh_factors, taste, paged
):
    """Fill in how like rows are to the visit, and to the reader's taste."""
    bundled = len(vectors)
    told[LIKENESS : LIKENESS + 3] = np.nan
    told[TASTE] = np.nan
    for place in range(len(rows)):
        row = rows[place]
        if len(visit):
            own = vectors[row] if row < bundled else fresh_vectors[row - bundled]
            total, most, like = np.float32(0.0), np.float32(-2.0), np.float32(0.0)
            for step in range(len(visit)):
                seen = visit[step]
                like = dot(own, vectors[seen] if seen < bundled else fresh_vectors[seen - bundled])
                total += like
                most = max(most, like)
            if paged:
                told[LIKENESS, place] = like
            told[LIKENESS + 1, place] = total / len(visit)
            told[LIKENESS + 2, place] = most
        if len(taste):
            told[TASTE, place] = dot(
                factors[row] if row < bundled else fresh_factors[row - bundled], taste
            )


def _device(context: Sequence[str], devices: Sequence[str]) -> float:
    for part in context:
        name, _, value = part.partition(":")
        if name == "device" and value in devices:
            return float(list(devices).index(value))
    return math.nan
