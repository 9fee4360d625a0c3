"""Finds what is valid in a policy but surely not meant."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.setup import Setup
from recsys.config import Place, Problem, load_toml
from recsys.policy import Policy

if TYPE_CHECKING:  # the store takes a while to load, and --help should not wait for it
    from data.names import Names

Doubt = tuple[str, tuple[str, ...]]
"""What is odd, and the keys that lead to the setting."""


def doubts(setup: Setup, known: "Names | None", n: int) -> tuple[Problem, ...]:
    """Return what is odd in the policy of a configuration, in the order of its lines.

    ``known`` are the names in the store, None where there is none. Quotas are reckoned for slates
    of ``n`` cards. What holds at every placement is told once.
    """
    file = load_toml(setup.config)[1] if setup.config else Place("the default policy")
    base, found = file / "policy", {}
    plain = dataclasses.replace(setup.policy, placements={})
    places = [(base, plain)]
    for name, policy in setup.policy.placements.items():
        place = base / "placements" / name
        places.append((place.above(base), policy))
        if policy == plain:
            found[Problem.of(place, "this placement changes nothing")] = None
    for place, policy in places:
        for message, keys in (
            *_of(policy, n),
            *_unknown(policy, setup, known),
            *_quotas(policy, setup, known, n),
        ):
            found[_problem(place, message, keys)] = None
    said, kept = set(), []
    for problem in sorted(found, key=lambda problem: problem.line):
        # Quotas that cannot be met anywhere cannot be met at a placement either.
        if problem.message not in said:
            kept.append(problem)
        said.add(problem.message)
    return tuple(kept)


def _problem(place: Place, message: str, keys: tuple[str, ...]) -> Problem:
    *tables, key = keys
    for table in tables:
        place = place / table
    return Problem.of(place, message, key)


def _of(policy: Policy, n: int) -> Iterator[Doubt]:
    """Yield what is odd whatever the store holds."""
    weights = dataclasses.asdict(policy.weights)
    if not any(weights.values()):
        yield "all weights are 0: only the newest articles are shown", ("weights", min(weights))
    slots, most = policy.sponsored.slots, policy.sponsored.most
    if beyond := [slot for slot in slots if slot > n]:
        yield (
            f"slots = {list(slots)}: a slate of {n} has no slot {beyond[0]}",
            ("sponsored", "slots"),
        )
    if 0 < most < len(set(slots)):  # 0 switches them off, wherever they would stand
        told = f"slots = {list(slots)}: more than the most = {most} sponsored cards of a slate"
        yield told, ("sponsored", "slots")
    trends = policy.trends
    if 0 < trends.max_age <= trends.min_age:
        yield (
            f"max_age = {trends.max_age}: nothing trends that is as old as min_age ="
            f" {trends.min_age}",
            ("trends", "max_age"),
        )
    if 0 < policy.max_age <= trends.min_age:
        told = f"min_age = {trends.min_age}: nothing is shown that is as old ([policy] max_age)"
        yield told, ("trends", "min_age")


def _unknown(policy: Policy, setup: Setup, known: "Names | None") -> Iterator[Doubt]:
    """Yield the names that nothing is called by."""
    sites = set(setup.sites) or (known.sites if known else None)
    for site in policy.sites:
        if sites is not None and site not in sites:
            where = "[sites]" if setup.sites else "the store"
            told = f"{where} has no site {site!r}; known: {', '.join(sorted(sites)) or 'none'}"
            yield told, ("sites", site)
    if known is None:
        return
    sections = {name.casefold() for name in known.sections}
    for section in policy.sections:
        if section.casefold() not in sections:
            yield f"no article of the store is in a section {section!r}", ("sections", section)
    for language in policy.languages:
        if language not in known.languages:
            spoken = ", ".join(sorted(known.languages - {""})) or "none"
            told = f"no article of the store is in the language {language!r}; known: {spoken}"
            yield told, ("languages",)


def _quotas(policy: Policy, setup: Setup, known: "Names | None", n: int) -> Iterator[Doubt]:
    """Yield which quotas cannot be met together by a slate of ``n`` cards."""
    from recsys.ids import Vocabulary
    from recsys.quotas import Quotas

    sites = Vocabulary(sorted({*setup.sites, *policy.sites, *(known.sites if known else ())}))
    named = known.sections if known else frozenset(policy.sections)
    sections = Vocabulary(sorted(named))
    short: dict[str, int] = {}
    quotas = Quotas.of(policy, -1, n, sites, sections)
    for what, least in (("sites", quotas.site_least), ("sections", quotas.section_least)):
        if (cards := int(least[:-1].sum())) > n:
            told = f"the least shares of {what} come to {cards} cards, more than a slate of {n} has"
            yield told, (what,)
    for code, site in enumerate(sites):
        own = Quotas.of(policy, code, n, sites, sections)
        least, most = int(own.site_least[code]), int(own.site_most[code])
        if least > most:
            yield (
                f"site {site!r} is to have {least} cards of {n} at least, and {most} at most"
                " (max, or max_per_site)",
                ("sites", site, "min"),
            )
        elif least > own.from_home:
            yield (
                f"site {site!r} is to have {least} cards of {n} at least, and may have"
                f" {own.from_home} on its own pages (other_sites_min)",
                ("sites", site, "min"),
            )
        others = int(own.site_most[:-1].sum()) - most
        if (room := min(most, own.from_home) + others) < n:
            short[site] = room
    if short and (setup.sites or known):
        site = min(short, key=lambda site: short[site])
        yield (
            f"on pages of {site!r} the largest shares of sites (max_per_site, other_sites_min)"
            f" leave room for {short[site]} cards of {n}: a quota gives way every time",
            ("max_per_site",),
        )
    room = int(quotas.section_most[:-1].sum())
    if known and named and room < n:
        yield (
            f"the largest shares of sections leave room for {room} cards of {n}: a quota gives way"
            " every time",
            ("sections",),
        )
