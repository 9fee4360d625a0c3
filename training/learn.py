"""Learns a whole bundle from a history: what sources know, and the ranker that corrects them."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recsys.bundle import Bundle, open_bundle, write
from recsys.history import History
from recsys.policy import Policy
from training.fit import fit
from training.rank import learn_ranker
from training.recipe import Recipe
from training.stages import Report, silent


def learn(
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy | None = None,
    *,
    ranked: bool = True,
    earlier: Iterable[Bundle] = (),
    report: Report = silent,
    **more: Any,
) -> Bundle:
    """Return a bundle, not yet written, of a history that ends at ``now`` (UTC seconds).

    Its ranker corrects the fusion of ``policy``, the default where None; without ``ranked`` fusion
    ranks alone. What the ranker learns from takes a bundle of the past, and the one that is
    returned is built upon it, or upon the newest of the ``earlier`` ones: what texts say, and what
    readers like, has hardly changed since. ``more`` is what else ``fit`` takes.
    """
    known = history.articles, history.visitors, history.interactions
    earlier, ranker = [*earlier], None
    if ranked:
        ranker = learn_ranker(
            history, recipe, now, policy, earlier=earlier, keep=earlier.append, report=report
        )
    bundle = fit(*known, recipe, now, earlier=earlier, report=report, **more)
    return dataclasses.replace(bundle, ranker=ranker)


def learn_as_served(
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy | None = None,
    *,
    folder: Path,
    report: Report = silent,
) -> Bundle:
    """Return a bundle like ``learn``, written into ``folder`` and opened, just as it is served."""
    return open_bundle(write(learn(history, recipe, now, policy, report=report), folder))


def taught(policy: Policy) -> Policy:
    """Return what of a policy a ranker learns from: policies that agree in it share a bundle.

    Rules of which slots are filled with what is proposed are as by default.
    """
    usual = Policy()
    return dataclasses.replace(
        policy,
        other_sites_min=usual.other_sites_min,
        max_per_site=usual.max_per_site,
        sites=usual.sites,
        diversity=usual.diversity,
        exploration=usual.exploration,
        placements={name: taught(other) for name, other in policy.placements.items()},
    )
