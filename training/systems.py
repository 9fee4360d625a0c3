"""Names the systems that an evaluation compares, and makes each of what was known at the cut."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.bundle import Bundle
from recsys.features import GROUPS
from recsys.history import History
from recsys.policy import HalfLives, Policy, SourceWeights, Sponsored
from recsys.ranker import Ranker
from recsys.replay import System
from recsys.served import EngineSystem
from training import peers
from training.evaluation import SystemKind

ENGINE = "engine"


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a system is made of. Of ``history`` it may look at nothing from ``cut`` on."""

    bundle: Bundle
    policy: Policy
    history: History
    cut: int
    seed: int
    ablate: Callable[[str], Ranker | None] = lambda group: None
    """Learns the bundle's ranker anew without a group of features, where there is one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One system that can be compared."""

    kind: SystemKind
    make: Callable[[Given], System]


def _engine(name: str, given: Given, **page: bool) -> System:
    return EngineSystem.of(name, given.bundle, given.policy, given.history, **page)


def _served(name: str, **page: bool) -> Entry:
    return Entry("ablation", lambda given: _engine(name, given, **page))


def _fusion(name: str, policy: Callable[[Policy], Policy]) -> Entry:
    """Return the engine without a ranker, under a policy of its own."""

    def make(given: Given) -> System:
        bundle = dataclasses.replace(given.bundle, ranker=None)
        changed = dataclasses.replace(given, bundle=bundle, policy=policy(given.policy))
        return _engine(name, changed)

    return Entry("ablation", make)


def _without_features(name: str, group: str) -> Entry:
    """Return the engine whose ranker never knew a group of features."""

    def make(given: Given) -> System:
        bundle = given.bundle
        if bundle.ranker is not None:
            bundle = dataclasses.replace(bundle, ranker=given.ablate(group))
        return _engine(name, dataclasses.replace(given, bundle=bundle))

    return Entry("ablation", make)


def _free(policy: Policy) -> Policy:
    """Lift all rules that cost hits for the publisher's sake."""
    return dataclasses.replace(
        policy,
        other_sites_min=0.0,
        max_per_site=1.0,
        sites={},
        sections={},
        diversity=0.0,
        sponsored=Sponsored(most=50),
        tone=dataclasses.replace(policy.tone, slate=False),
        placements={},
    )


def _alone(source: str) -> Callable[[Policy], Policy]:
    off = {field.name: 0.0 for field in dataclasses.fields(SourceWeights)}

    def policy(given: Policy) -> Policy:
        weights = SourceWeights(**{**off, source: 1.0})
        half_lives = HalfLives(related=0.0, personal=0.0)
        return dataclasses.replace(_free(given), weights=weights, half_lives=half_lives)

    return policy


def _without(source: str) -> Callable[[Policy], Policy]:
    def policy(given: Policy) -> Policy:
        weights = dataclasses.replace(given.weights, **{source: 0.0})
        return dataclasses.replace(given, weights=weights)

    return policy


def _baseline(make: Callable[[int], System]) -> Entry:
    return Entry("baseline", lambda given: make(len(given.history.articles)))


def _peer(factory: peers.Factory) -> Entry:
    def make(given: Given) -> System:
        past = given.history.interactions.before(given.cut)
        known = given.history
        return factory(past, len(known.articles), len(known.visitors), given.seed)

    return Entry("peer", make)


SOURCES = {
    "related": "related",
    "co-reading": "co_read",
    "trending": "trending",
    "personal": "personal",
}

SYSTEMS: Mapping[str, Entry] = {
    ENGINE: Entry("engine", lambda given: _engine(ENGINE, given)),
    "engine, no reader id": _served("engine, no reader id", names_reader=False),
    "engine, page only": _served("engine, page only", names_reader=False, tells_visit=False),
    "engine, no quotas": Entry(
        "ablation",
        lambda given: _engine(
            "engine, no quotas", dataclasses.replace(given, policy=_free(given.policy))
        ),
    ),
    "fusion": _fusion("fusion", lambda policy: policy),
    "fusion, no quotas": _fusion("fusion, no quotas", _free),
    **{
        f"fusion without {name}": _fusion(f"fusion without {name}", _without(source))
        for name, source in SOURCES.items()
    },
    **{
        f"{name} alone": _fusion(f"{name} alone", _alone(source))
        for name, source in SOURCES.items()
    },
    **{
        f"ranker without {group}": _without_features(f"ranker without {group}", group)
        for group in GROUPS
    },
    "co-visitation": _baseline(CoVisitation),
    "recent popularity (1 h)": _baseline(RecentPopularity),
    "most popular": _baseline(MostPopular),
    "latest": _baseline(Latest),
    **{name: _peer(factory) for name, factory in peers.installed().items()},
}
"""Everything that can be compared here, in the order of the tables."""

USUAL = tuple(
    name
    for name, entry in SYSTEMS.items()
    if entry.kind in ("engine", "baseline") or name.startswith((ENGINE, "fusion"))
    if "without" not in name
)
"""What is compared unless more is asked for: peers and ablations take their time."""
