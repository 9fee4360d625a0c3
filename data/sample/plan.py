"""Decides what will be published when, before a word is written."""

from dataclasses import dataclass

import numpy as np

from data.sample.genres import DAY, GENRES, IN_JAPANESE, TOPICS
from data.sample.grammar import words
from data.sample.sites import SITE_IDS
from recsys.arrays import Bool, Float32, Float64, Int8, Int16, Int32, Int64
from recsys.types import NEVER, Tone

DAYS = 60
SEASONS = ("winter", "spring", "summer", "autumn")
THREADED, THREAD = 0.22, 4.5
WIRE, UPDATED = 0.03, 0.01
JAPAN = 9 * 3600
HOURS = np.array([2, 1, 1, 1, 2, 5, 9, 10, 8, 7, 7, 8, 8, 7, 7, 8, 9, 9, 8, 6, 5, 4, 4, 3], float)
"""How busy newsrooms are at each hour in Japan."""
WEEK = np.array([1.0, 1.05, 1.05, 1.05, 1.0, 0.6, 0.5])
"""And on each day, from Monday."""
ORIGINAL, WIRED, CORRECTED = 0, 1, 2
BARRED = ("inland", "urban", "metropolis", "warm", "railless")
"""Word lists of places where some things would be out of place."""


@dataclass(frozen=True, slots=True, eq=False)
class Trends:
    """T news cycles, in the order of their stories 0…T-1; times are UTC seconds."""

    start: Int64
    peak: Int64
    death: Int64
    height: Float64
    """How many times more interesting than usual the story is at its peak."""

    def heat(self, now: int) -> Float64:
        """Return f64[T]: ``height`` times a rise to the peak and a fall to 0 at the death."""
        rise = (now - self.start) / np.maximum(self.peak - self.start, 1)
        fall = (self.death - now) / np.maximum(self.death - self.peak, 1)
        return self.height * np.clip(np.minimum(rise, fall**2 * (fall > 0)), 0.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A articles in order of publication; every array has one element for each."""

    start: int
    end: int
    genre: Int16
    site: Int8
    story: Int32
    """Below ``len(trends.start)`` for running stories."""
    thing: Int16
    """Row in the genre's list of things."""
    subject: Int32
    """The thing as a number across all lists."""
    place: Int16
    published: Int64
    expires: Int64
    original: Int32
    """Row of the article that this one copies; its own row where it is none."""
    copied: Int8
    """ORIGINAL, WIRED (on another site) or CORRECTED (the same site again)."""
    tone: Int8
    topics: Float32
    """f32[A, K]: how much of each topic, summing to 1."""
    life: Float64
    """Seconds in which the interest falls to 1/e."""
    pull: Float64
    """How interesting it is on its first day."""
    japanese: Bool
    trends: Trends

    def __len__(self) -> int:
        return len(self.genre)


def plan(articles: int, seed: int, end: int) -> Plan:
    """Plan ``articles`` publications in the 60 days before ``end`` (UTC seconds)."""
    rng = np.random.default_rng([seed, 1])
    start = end - DAYS * DAY
    copies = round(articles * (WIRE + UPDATED))
    fresh = articles - copies
    sizes = _thread_sizes(rng, fresh)
    threads = len(sizes)
    stories = threads + fresh - int(sizes.sum())
    story = np.r_[np.repeat(np.arange(threads), sizes), np.arange(threads, stories)]
    begin = _busy_times(rng, stories, start, end)
    trends = _trends(rng, begin[:threads], end)

    told_as = _genres(rng, threads, stories)
    thing, place = _subjects(rng, told_as, begin)
    genre = _translated(rng, told_as, story, threads)
    published = begin[story]
    later = np.r_[False, story[1:] == story[:-1]]
    lasting = (trends.death - trends.start)[np.minimum(story, threads - 1)]
    published = published + (later * lasting * rng.beta(1.0, 2.0, fresh)).astype(np.int64)
    published = np.minimum(published, end - rng.integers(60, 3600, fresh))
    mixture = _mixtures(rng, told_as)[story]
    mixture = mixture * rng.uniform(0.8, 1.25, mixture.shape).astype(np.float32)
    mixture /= mixture.sum(axis=1, keepdims=True)

    original = np.r_[np.arange(fresh), _copied(rng, genre, copies)]
    copied = np.zeros(articles, np.int8)
    copied[fresh:] = np.where(rng.random(copies) < WIRE / (WIRE + UPDATED), WIRED, CORRECTED)
    genre = genre[original]
    wired_to = np.array([SITE_IDS.index(g.wire[0] if g.wire else g.site) for g in GENRES], np.int8)
    at_home = np.array([SITE_IDS.index(g.site) for g in GENRES], np.int8)
    site = np.where(copied == WIRED, wired_to[genre], at_home[genre])
    delay = np.where(copied > 0, rng.integers(900, 4 * 3600, articles), 0)
    when = np.minimum(published[original] + delay, end - 30)

    life = np.array([g.hours * 3600.0 for g in GENRES])[genre]
    brief = (story < threads) * lasting / 2
    life = np.where(brief[original] > 0, np.minimum(life, brief[original]), life)
    pull = (life / 36_000.0) ** -0.7 * rng.lognormal(0.0, 1.1, articles)
    order = np.lexsort((np.arange(articles), when))
    place_of = np.empty(articles, np.int32)
    place_of[order] = np.arange(articles)
    counts = np.array([len(words(g.things)) for g in GENRES])
    lists = sorted({g.things for g in GENRES})
    offsets = dict(zip(lists, np.cumsum([0, *(len(words(n)) for n in lists)]), strict=False))
    offset = np.array([offsets[g.things] for g in GENRES])
    told = story[original]
    assert np.all(thing < counts[told_as])
    return Plan(
        start=start,
        end=end,
        genre=genre[order].astype(np.int16),
        site=site[order].astype(np.int8),
        story=told[order].astype(np.int32),
        thing=thing[told][order].astype(np.int16),
        subject=(offset[genre] + thing[told])[order].astype(np.int32),
        place=place[told][order].astype(np.int16),
        published=when[order],
        expires=_expiry(rng, genre, when)[order],
        original=place_of[original][order],
        copied=copied[order],
        tone=_tones(genre, thing[told])[order],
        topics=mixture[original][order].astype(np.float32),
        life=life[order],
        pull=pull[order],
        japanese=np.array([g.language == "ja" for g in GENRES])[genre][order],
        trends=trends,
    )


def season(at: int) -> str:
    """Return the season in Japan at a time in UTC seconds."""
    month = int(np.datetime64(at + JAPAN, "s").astype("datetime64[M]").astype(int)) % 12 + 1
    return SEASONS[month % 12 // 3]


def _thread_sizes(rng: np.random.Generator, fresh: int) -> Int64:
    sizes = rng.integers(3, 7, max(1, int(fresh * THREADED / THREAD)))
    return sizes[np.cumsum(sizes) <= max(fresh, 3)]


def _busy_times(rng: np.random.Generator, n: int, start: int, end: int) -> Int64:
    """Return int64[n]: times in the rhythm of newsrooms."""
    hours = np.arange(start, end - 3600, 3600)
    local = (hours + JAPAN) // 3600
    weight = HOURS[local % 24] * WEEK[(local // 24 + 3) % 7]
    chosen = rng.choice(len(hours), n, p=weight / weight.sum())
    return np.asarray(hours[chosen] + rng.integers(0, 3600, n), np.int64)


def _trends(rng: np.random.Generator, start: Int64, end: int) -> Trends:
    n = len(start)
    lasting = np.clip(rng.lognormal(np.log(20 * 3600), 0.6, n), 5 * 3600, 72 * 3600)
    peak = start + (lasting * rng.uniform(0.08, 0.3, n)).astype(np.int64)
    height = np.clip(rng.pareto(1.3, n) * 6.0 + 5.0, 5.0, 90.0)
    return Trends(start, peak, start + lasting.astype(np.int64), height)


def _genres(rng: np.random.Generator, threads: int, stories: int) -> Int64:
    running = np.array([g.threads for g in GENRES])
    single = np.array([g.share for g in GENRES])
    return np.r_[
        rng.choice(len(GENRES), threads, p=running / running.sum()),
        rng.choice(len(GENRES), stories - threads, p=single / single.sum()),
    ]


def _translated(rng: np.random.Generator, told_as: Int64, story: Int64, threads: int) -> Int64:
    """Return the articles' genres: a running story is now and then told in Japanese."""
    genre = told_as[story]
    for (text, site), ja in IN_JAPANESE.items():
        same = [g.text == text and g.site == site and g.language == "en" for g in GENRES]
        turned = np.array(same)[genre] & (story < threads) & (rng.random(len(story)) < 0.1)
        genre = np.where(turned, ja, genre)
    return genre


def _subjects(rng: np.random.Generator, genre: Int64, begin: Int64) -> tuple[Int64, Int64]:
    """Return each story's thing (a row of its genre's list) and place, both plausible."""
    months = np.asarray(begin + JAPAN, "datetime64[s]").astype("datetime64[M]").astype(int) % 12
    seasons = (months + 1) % 12 // 3
    skew_things, skew_places = rng.random(len(genre)) ** 1.4, rng.random(len(genre)) ** 1.3
    thing = np.zeros(len(genre), np.int64)
    place = np.zeros(len(genre), np.int64)
    names = [word[0] for word in words("place")]
    shuffled = rng.permutation(len(names))
    for g, kind in enumerate(GENRES):
        entries = words(kind.things)
        for s, name in enumerate(SEASONS):
            rows = np.flatnonzero((genre == g) & (seasons == s))
            fitting = [i for i, e in enumerate(entries) if e[-1] not in SEASONS or e[-1] == name]
            allowed = np.random.default_rng(g).permutation(fitting)
            thing[rows] = allowed[(skew_things[rows] * len(allowed)).astype(int)]
        for t, entry in enumerate(entries):
            rows = np.flatnonzero((genre == g) & (thing == t))
            barred = _barred(entry[0], kind.text)
            here = np.array([i for i in shuffled if names[i] not in barred])
            place[rows] = here[(skew_places[rows] * len(here)).astype(int)]
    return thing, place


def _barred(thing: str, text: str) -> set[str]:
    """Return the places where a thing would be out of place."""
    lists = {name: {word[0] for word in words(name)} for name in BARRED}
    barred: set[str] = set()
    if thing in {word[0] for word in words("seaside")}:
        barred |= lists["inland"] | lists["urban"]
    if thing in {word[0] for word in words("snowy")}:
        barred |= lists["warm"] | lists["urban"]
    if text in ("journey", "rail", "regional"):
        barred |= lists["railless"]
    if text in ("politics", "news", "sport", "business"):
        barred |= lists["urban"]
    if text in ("outdoors", "disaster", "quake") or thing in {w[0] for w in words("wild")}:
        barred |= lists["urban"] | lists["metropolis"]
    return barred


def _mixtures(rng: np.random.Generator, genre: Int64) -> Float32:
    """Return f32[S, K]: Dirichlet around the genre's main and second topic."""
    base = np.full((len(GENRES), len(TOPICS)), 0.06)
    for g, kind in enumerate(GENRES):
        base[g, TOPICS.index(kind.topics[0])] = 7.0
        base[g, TOPICS.index(kind.topics[1])] = 2.2
    drawn = rng.standard_gamma(base[genre]).astype(np.float32) + np.float32(1e-4)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True), np.float32)


def _copied(rng: np.random.Generator, genre: Int64, n: int) -> Int64:
    wired = np.flatnonzero(np.array([g.wire is not None for g in GENRES])[genre])
    return rng.choice(wired, min(n, len(wired)), replace=False) if n else np.empty(0, np.int64)


def _expiry(rng: np.random.Generator, genre: Int64, published: Int64) -> Int64:
    low = np.array([g.days[0] if g.days else 0 for g in GENRES])[genre]
    high = np.array([g.days[1] if g.days else 0 for g in GENRES])[genre]
    days = rng.integers(low, high + 1)
    return np.where(high > 0, published + days * DAY, NEVER)


def _tones(genre: Int64, thing: Int64) -> Int8:
    tones = list(Tone)
    result = np.array([tones.index(g.tone) for g in GENRES], np.int8)[genre]
    for g, kind in enumerate(GENRES):
        for t, entry in enumerate(words(kind.things)):
            if entry[-1] in ("grave", "light"):
                result[(genre == g) & (thing == t)] = tones.index(Tone(entry[-1]))
    return result
