"""Learns a whole bundle from a history: what sources know, and the ranker that corrects them."""

from typing import Any

from recsys.bundle import Bundle
from recsys.history import History
from recsys.policy import Policy
from training.fit import fit
from training.rank import with_ranker
from training.recipe import Recipe
from training.stages import Report, silent


def learn(
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy,
    *,
    ranked: bool = True,
    report: Report = silent,
    **more: Any,
) -> Bundle:
    """Return a bundle, not yet written, of a history that ends at ``now`` (UTC seconds).

    Its ranker corrects the fusion of ``policy``; without ``ranked`` fusion ranks alone. ``more`` is
    what else ``fit`` takes.
    """
    known = history.articles, history.visitors, history.interactions
    bundle = fit(*known, recipe, now, report=report, **more)
    return with_ranker(bundle, history, recipe, now, policy, report=report) if ranked else bundle
