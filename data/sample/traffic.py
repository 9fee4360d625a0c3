"""Simulates what readers do, hour by hour, so that any number of events fits in little memory."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from data.sample.appeal import Ties, attraction, liking, unit
from data.sample.plan import JAPAN, WEEK, Plan
from data.sample.readers import Readers, affinity
from recsys.arrays import Bool, Float32, Float64, Int8, Int32, Int64
from recsys.types import Kind

BIAS = np.array([1.0, 0.78, 0.61, 0.48, 0.39, 0.33])
"""Probability that a reader who sees the box examines each slot: the true position bias."""
SLOTS = len(BIAS)
EVENTS_PER_SESSION = 9.4
"""What a session makes on average; measured."""
WARM_UP = 2 * 86_400
"""Publishing begins so long before reading."""
STEPS = 40
MEMORY = 16
"""Articles that a reader remembers, and does not open again."""
DEAD = 0.05
"""What is left of the interest in a running story when it is over."""
COLD = 2e-3
"""Nobody comes across groups of articles that are not hotter together."""
SEEN, STAY, STAY_LONG = 0.22, 0.56, 0.88
BROWSING = np.array(
    [2, 1, 1, 1, 1, 2, 5, 9, 9, 7, 6, 6, 9, 8, 6, 6, 6, 7, 8, 9, 10, 10, 8, 5], float
)
"""How busy readers are at each hour in Japan."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """E events in time order; ids as numbers, -1 where there is none."""

    kind: Int8
    article: Int32
    at: Int64
    reader: Int32
    session: Int64
    page: Int32
    """The article under which the box stood."""
    dwell: Float32
    slate: Int64
    position: Int8
    propensity: Float32
    """Probability with which the box put the article there; 1 outside of boxes."""

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: slice | np.ndarray) -> "Events":
        return Events(*(getattr(self, f.name)[rows] for f in fields(self)))


class Shelf:
    """Articles in groups, to draw from in proportion to how hot they are."""

    def __init__(self, group: np.ndarray, count: int) -> None:
        self._order = np.argsort(group, kind="stable")
        self._bounds = np.searchsorted(group[self._order], np.arange(count + 1))
        self._sums = np.zeros(len(group) + 1)

    def warm(self, heat: Float64) -> None:
        """Take the present heat f64[A] of the articles."""
        np.cumsum(heat[self._order], out=self._sums[1:])

    def draw(self, group: np.ndarray, n: int, rng: np.random.Generator) -> Int32:
        """Return int32[m, n]: n articles of each of m groups, -1 where a whole group is cold."""
        low, high = self._sums[self._bounds[group]], self._sums[self._bounds[group + 1]]
        point = low[:, None] + rng.random((len(group), n)) * (high - low)[:, None]
        row = np.searchsorted(self._sums, point, side="right") - 1
        found = self._order[np.clip(row, 0, len(self._order) - 1)]
        return np.where((high - low > COLD)[:, None], found, -1).astype(np.int32)


def simulate(plan: Plan, readers: Readers, events: int, seed: int) -> Iterator[Events]:
    """Yield about ``events`` events in time order, a block of hours at a time."""
    rng = np.random.default_rng([seed, 3])
    sessions = max(1, round(events / EVENTS_PER_SESSION))
    step = 3600 * int(np.clip(round(1440 * 120 / sessions), 1, 12))
    starts = np.arange(plan.start + WARM_UP, plan.end, step)
    local = (starts + step // 2 + JAPAN) // 3600
    arrived = np.searchsorted(readers.since, starts, side="right")
    reach = np.r_[0.0, np.cumsum(readers.activity)]
    excited = np.array([np.minimum(plan.trends.heat(int(t)), 20).sum() for t in starts])
    excited /= max(excited.mean(), 1e-9)
    weight = BROWSING[local % 24] * WEEK[(local // 24 + 3) % 7] ** 0.3 * reach[arrived]
    weight *= 0.8 + 0.2 * excited
    counts = rng.multinomial(sessions, weight / weight.sum())
    audience = _Audience(plan, readers, rng)
    waiting: list[Events] = []
    for start, n, there in zip(starts, counts, arrived, strict=True):
        audience.meet(int(start), step)
        if n:
            who = np.searchsorted(reach, rng.random(n) * reach[there], side="right") - 1
            waiting += audience.visit(who.astype(np.int32), int(start), step)
        if waiting:
            block = _sorted(waiting)
            ready = int(np.searchsorted(block.at, start + step))
            waiting = [block[ready:]]
            if ready:
                yield block[:ready]
    if waiting:
        rest = _sorted(waiting)
        yield rest[: int(np.searchsorted(rest.at, plan.end))]


class _Audience:
    """The state that visits leave behind: what each reader has opened, and the next numbers."""

    def __init__(self, plan: Plan, readers: Readers, rng: np.random.Generator) -> None:
        self.plan, self.readers, self.rng = plan, readers, rng
        self.main = np.argmax(plan.topics, axis=1).astype(np.int32)
        topics = unit(plan.topics)
        self.ties = Ties(topics, plan.subject, plan.place, plan.story, plan.original)
        k = plan.topics.shape[1]
        self.by_site = Shelf(plan.site, 5)
        self.by_topic = Shelf(self.main, k)
        self.by_subject = Shelf(plan.subject, int(plan.subject.max()) + 1)
        self.by_story = Shelf(plan.story, int(plan.story.max()) + 1)
        self.all = Shelf(np.zeros(len(plan), np.int8), 1)
        self.opened = np.full((len(readers), MEMORY), -1, np.int32)
        self.count = np.zeros(len(readers), np.int32)
        self.sessions = self.slates = 0

    def meet(self, start: int, step: int) -> None:
        """Bring the shelves to the block that begins at ``start``."""
        plan, middle = self.plan, start + step // 2
        last = int(np.searchsorted(plan.published, start + step))
        heat = np.zeros(len(plan))
        age = np.maximum(middle - plan.published[:last], 0)
        heat[:last] = plan.pull[:last] * np.exp(-age / plan.life[:last])
        heat[:last] *= plan.expires[:last] > start
        trending = np.flatnonzero(plan.story[:last] < len(plan.trends.start))
        heat[trending] *= DEAD + plan.trends.heat(middle)[plan.story[trending]]
        for shelf in (self.by_site, self.by_topic, self.by_subject, self.by_story, self.all):
            shelf.warm(heat)

    def visit(self, who: Int32, start: int, step: int) -> list[Events]:
        """Let readers ``who`` int32[S] visit in this block; return their events."""
        rng, n = self.rng, len(who)
        session = self.sessions + np.arange(n)
        self.sessions += n
        at = (start + rng.integers(0, step, n)).astype(np.int64)
        stay = np.where(rng.random(n) < 0.06, STAY_LONG, STAY)
        current = self._choose(who, None, at)
        slate, position = np.full(n, -1, np.int64), np.full(n, -1, np.int8)
        page, propensity = np.full(n, -1, np.int32), np.ones(n, np.float32)
        log: list[Events] = []
        for _ in range(STEPS):
            going = (current >= 0) & (at < self.plan.end)
            who, session, at, stay, current, slate, position, page, propensity = (
                a[going]
                for a in (who, session, at, stay, current, slate, position, page, propensity)
            )
            if not len(who):
                break
            box = page, slate, position, propensity
            log.append(_events(Kind.CLICK, current, at, who, session, *box))
            self._remember(who, current)
            dwell, read = self._read(who, current, at, session, log)
            shown = read & (dwell >= 10) & (rng.random(len(who)) < SEEN)
            led = self._box(who, current, at + (0.7 * dwell).astype(np.int64), session, shown, log)
            onward = rng.random(len(who)) < np.where(read, stay, 0.5 * stay)
            later = at + dwell.astype(np.int64) + rng.integers(4, 50, len(who))
            organic = np.full(len(who), -1, np.int32)
            asked = np.flatnonzero(onward & (led.article < 0))
            organic[asked] = self._choose(who[asked], current[asked], later[asked])
            by_box = led.article >= 0
            page = np.where(by_box, current, -1).astype(np.int32)
            current = np.where(by_box, led.article, organic)
            at = np.where(by_box, led.at, later)
            slate, position, propensity = led.slate, led.position, led.propensity
        return log

    def _choose(self, who: Int32, current: Int32 | None, at: Int64) -> Int32:
        """Return int32[m]: the article that each reader goes on to by themselves, or -1."""
        offers = [
            self.by_site.draw(self.readers.home[who], 6 if current is None else 3, self.rng),
            self.by_topic.draw(self._liked(who), 4 if current is None else 2, self.rng),
            self.all.draw(np.zeros(len(who), np.int8), 5, self.rng),
        ]
        if current is not None:
            offers += [
                self.by_subject.draw(self.plan.subject[current], 4, self.rng),
                self.by_topic.draw(self.main[current], 4, self.rng),
                self.by_story.draw(self.plan.story[current], 2, self.rng),
                self.by_site.draw(self.plan.site[current], 2, self.rng),
            ]
        offer = np.concatenate(offers, axis=1)
        value = 1.5 * self._liking(who, offer) + self._relation(current, offer)
        value += self.rng.gumbel(size=offer.shape)
        value[~self._open(who, current, offer, at)] = -np.inf
        best = np.argmax(value, axis=1)
        rows = np.arange(len(who))
        return np.where(np.isfinite(value[rows, best]), offer[rows, best], -1).astype(np.int32)

    def _read(
        self, who: Int32, current: Int32, at: Int64, session: Int64, log: list[Events]
    ) -> tuple[Float64, Bool]:
        """Return how long each stays, and whether that was reading; log reads and reactions."""
        rng = self.rng
        liking = self._liking(who, current[:, None])[:, 0]
        dwell = np.exp(3.7 + 0.5 * liking + 0.55 * rng.standard_normal(len(who)))
        dwell = np.clip(dwell, 1.5, 900.0)
        read = dwell >= 8.0
        done = at + np.ceil(dwell).astype(np.int64)
        part = (current[read], done[read], who[read], session[read])
        log.append(_events(Kind.READ, *part, dwell=np.round(dwell[read], 1)))
        keen = np.clip(np.exp(liking), 0.1, 4.0)
        for kind, often in ((Kind.LIKE, 0.012), (Kind.SHARE, 0.006), (Kind.COMMENT, 0.004)):
            did = np.flatnonzero(read & (rng.random(len(who)) < often * keen))
            when = done[did] + rng.integers(1, 12, len(did))
            log.append(_events(kind, current[did], when, who[did], session[did]))
        return dwell, read

    def _box(
        self, who: Int32, current: Int32, at: Int64, session: Int64, shown: Bool, log: list[Events]
    ) -> Events:
        """Show the box where ``shown``; return the clicks that readers follow, -1 where none.

        The box holds up to six articles in random order, each order as likely as any other, so that
        only the slots explain why equally good articles are clicked unequally often. Clicks in
        different slots are independent.
        """
        rng, everyone = self.rng, len(who)
        followed = _events(
            Kind.CLICK, np.full(everyone, -1, np.int32), at.copy(), who, session, None
        )
        rows = np.flatnonzero(shown)
        who, current, at, session = who[rows], current[rows], at[rows], session[rows]
        m = len(rows)
        if not m:
            return followed
        offer = np.concatenate(
            [
                self.by_subject.draw(self.plan.subject[current], 3, rng),
                self.by_topic.draw(self.main[current], 3, rng),
                self.all.draw(np.zeros(m, np.int8), 5, rng),
                self.by_site.draw(rng.integers(0, 5, m), 3, rng),
            ],
            axis=1,
        )
        again = (offer[:, :, None] == offer[:, None, :]) & np.tri(offer.shape[1], k=-1, dtype=bool)
        fit = self._open(who, current, offer, at) & ~again.any(axis=2)
        # Shuffled only now that each stands there once: else what was drawn twice would stand
        # further up than chance has it.
        turn = rng.permuted(np.broadcast_to(np.arange(offer.shape[1]), offer.shape), axis=1)
        offer, fit = (np.take_along_axis(a, turn, axis=1) for a in (offer, fit))
        order = np.argsort(~fit, axis=1, kind="stable")[:, :SLOTS]
        offer, fit = (np.take_along_axis(a, order, axis=1) for a in (offer, fit))
        slate = self.slates + np.arange(m)
        self.slates += m
        drawn = attraction(self._liking(who, offer), self._relation(current, offer))
        clicked = fit & (rng.random(offer.shape) < BIAS * drawn)
        place = np.broadcast_to(np.arange(SLOTS, dtype=np.int8), offer.shape)
        propensity = (1.0 / np.maximum(fit.sum(axis=1), 1)).astype(np.float32)
        order_in_time = np.cumsum(clicked, axis=1)
        clicked_at = at[:, None] + 1 + 2 * order_in_time
        for kind, chosen in (
            (Kind.IMPRESSION, fit),
            (Kind.CLICK, clicked & (order_in_time > 1)),
        ):
            i, j = np.nonzero(chosen)
            when = at[i] if kind == Kind.IMPRESSION else clicked_at[i, j]
            part = (offer[i, j], when, who[i], session[i])
            box = current[i], slate[i], place[i, j], propensity[i]
            log.append(_events(kind, *part, *box))
            if kind == Kind.CLICK:
                self._remember(who[i], offer[i, j])
        first = np.argmax(clicked, axis=1)
        took = np.flatnonzero(clicked.any(axis=1))
        to = rows[took]
        followed.article[to] = offer[took, first[took]]
        followed.at[to] = clicked_at[took, first[took]]
        followed.slate[to] = slate[took]
        followed.position[to] = first[took]
        followed.propensity[to] = propensity[took]
        return followed

    def _liked(self, who: Int32) -> Int32:
        """Return one topic of each reader, drawn by taste."""
        sums = np.cumsum(self.readers.tastes[who], axis=1)
        drawn = (sums < self.rng.random((len(who), 1)) * sums[:, -1:]).sum(axis=1)
        return drawn.clip(0, sums.shape[1] - 1).astype(np.int32)

    def _liking(self, who: Int32, offer: Int32) -> Float64:
        """Return f64[m, c]: how much each reader likes what they are offered."""
        foreign = self.plan.japanese[offer] & ~self.readers.japanese[who][:, None]
        taste = self.readers.tastes[who][:, None, :]
        return liking(affinity(taste, self.plan.topics[offer], foreign))

    def _relation(self, current: Int32 | None, offer: Int32) -> Float64:
        """Return f64[m, c]: how well what is offered follows on what was just read."""
        if current is None:
            return np.zeros(offer.shape)
        return self.ties.relation(current, offer)

    def _open(self, who: Int32, current: Int32 | None, offer: Int32, at: Int64) -> Bool:
        """Return bool[m, c]: published by then, not expired, not opened before."""
        plan, time = self.plan, at[:, None]
        fit = (offer >= 0) & (plan.published[offer] <= time) & (plan.expires[offer] > time)
        fit &= ~(offer[:, :, None] == self.opened[who][:, None, :]).any(axis=2)
        return fit if current is None else fit & (offer != current[:, None])

    def _remember(self, who: Int32, article: Int32) -> None:
        self.opened[who, self.count[who] % MEMORY] = article
        np.add.at(self.count, who, 1)


def _events(
    kind: Kind,
    article: Int32,
    at: Int64,
    who: Int32,
    session: Int64,
    page: Int32 | None = None,
    slate: Int64 | None = None,
    position: Int8 | None = None,
    propensity: Float32 | None = None,
    dwell: Float64 | None = None,
) -> Events:
    n = len(article)
    return Events(
        kind=np.full(n, kind, np.int8),
        article=article,
        at=at,
        reader=who,
        session=session,
        page=np.full(n, -1, np.int32) if page is None else page,
        dwell=np.zeros(n, np.float32) if dwell is None else dwell.astype(np.float32),
        slate=np.full(n, -1, np.int64) if slate is None else slate,
        position=np.full(n, -1, np.int8) if position is None else position,
        propensity=np.ones(n, np.float32) if propensity is None else propensity,
    )


def _sorted(parts: list[Events]) -> Events:
    whole = Events(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Events)))
    return whole[np.argsort(whole.at, kind="stable")]
