"""Trains as the configuration says, for ``recsys train`` and for the job of a schedule."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.audit import actor
from cli.setup import Setup

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from data.store import Store
    from recsys.bundle import Bundle
    from training.stages import Report


def trained(
    setup: Setup,
    store: "Store",
    now: int,
    *,
    report: "Report",
    before_publish: Callable[[], None] = lambda: None,
    force: bool = False,
    reason: str = "",
) -> "Bundle":
    """Learn a bundle from everything known before ``now`` and make it current, if the gate agrees.

    With ``force`` it becomes current whatever the gate says, which the audit log keeps with who
    did it and the ``reason``. Raises ``Held``, with the verdict, where the gate does not agree, and
    as ``training.run.run`` does; nothing has changed then.
    """
    from data.audit import record
    from data.rules import rules
    from training.run import run
    from training.tone import corrections

    who = actor()
    bundle = run(
        store,
        setup.bundles,
        setup.recipe,
        now,
        policy=setup.policy,
        corrections=corrections(rules(store), now),
        spare=setup.experiment.bundles if setup.experiment else (),
        gate=setup.gate,
        force=force,
        by=who.name if force else "",
        why=reason,
        before_publish=before_publish,
        report=report,
    )
    if bundle.manifest.verdict.get("forced"):
        with store.writing() as connection:
            detail = {"why": reason, "reasons": bundle.manifest.verdict["reasons"]}
            record(connection, who, "bundle.force", bundle.id, int(time.time()), **detail)
    return bundle
