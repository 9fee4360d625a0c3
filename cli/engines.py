"""Opens the engine for commands that answer as the service would."""

from typing import TYPE_CHECKING

from cli.setup import Setup
from recsys.errors import BundleMissing

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.engine import Engine


def open_engine(setup: Setup, now: int) -> "tuple[Engine, list[str]]":
    """Return an engine that knows what a service started now would know, and notes for people."""
    from data import rules
    from data.follow import Follower
    from data.store import Store
    from recsys import bundle as bundles
    from recsys.engine import Engine
    from recsys.live import Live

    notes = []
    try:
        bundle = bundles.open_bundle(setup.bundles / bundles.current(setup.bundles))
    except BundleMissing as error:
        bundle = bundles.Bundle.empty()
        notes.append(f"{error}; the newest articles are shown")
    live = Live(bundle)
    with Store.open(setup.store_url) as store:
        Follower.begin(store, live)
        live.rule(rules.active(store, now))
    live.refresh(now)
    return Engine(bundle, live, setup.policy), notes
