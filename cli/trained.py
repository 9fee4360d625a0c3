"""Trains as the configuration says, for ``recsys train`` and for the job of a schedule."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from cli.audit import actor
from cli.setup import Setup
from recsys.errors import BundleMissing, Busy, DataError

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from data.store import Store
    from recsys.bundle import Bundle
    from training.spark.engine import SparkEngine
    from training.stages import Report

log = structlog.get_logger(__name__)


def trained(
    setup: Setup,
    store: "Store",
    now: int,
    *,
    report: "Report",
    before_publish: Callable[[], None] = lambda: None,
    force: bool = False,
    full: bool = False,
    reason: str = "",
    engine: "SparkEngine | None" = None,
) -> "Bundle":
    """Learn a bundle from everything known before ``now`` and make it current, if the gate agrees.

    Where bundles are kept in a depot, it is compared with what is current there and becomes so.
    With ``force`` it becomes current whatever the gate says, which the audit log keeps with who
    did it and the ``reason``. An ``engine`` reads and learns in place of this machine.

    Raises ``Held``, with the verdict, where the gate does not agree, and as ``training.run.run``
    does; nothing has changed then.
    """
    from data import depot
    from data.audit import record
    from data.rules import rules
    from training.learn import learn
    from training.run import run
    from training.tone import corrections

    who, url, spare = actor(), setup.depot.url, setup.spared
    if url:
        # What is in service may have been rolled back elsewhere; a service on this machine may be
        # at it already.
        with suppress(BundleMissing, Busy):
            depot.pull(url, setup.bundles, spare)
    bundle = run(
        engine or store,
        setup.bundles,
        setup.recipe,
        now,
        policy=setup.policy,
        corrections=corrections(rules(store), now),
        spare=spare,
        gate=setup.gate,
        force=force,
        full=full,
        by=who.name if force else "",
        why=reason,
        before_publish=before_publish,
        learner=engine.learn if engine else learn,
        report=report,
    )
    if url:
        depot.push(setup.bundles, bundle.id, url, spare)
    if bundle.manifest.verdict.get("forced"):
        detail = {"why": reason, "reasons": bundle.manifest.verdict["reasons"]}
        try:
            with store.writing() as connection:
                record(connection, who, "bundle.force", bundle.id, int(time.time()), **detail)
        except DataError as error:  # it is done, and the bundle's manifest tells it, too
            log.warning("forced, but not in the audit log", bundle=bundle.id, error=str(error))
    return bundle
