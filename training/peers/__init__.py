"""Names the systems of other people that ours is compared with, each as its authors ship it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from recsys.errors import ConfigError
from recsys.replay import System
from recsys.tables import Interactions
from training.peers.peer import Peer
from training.peers.session_knn import SessionKnn

HOUR = 3600
RECENT = 50_000
"""Openings that a peer learns from when it learns anew: what is older is out of the news."""


class Costed(System, Protocol):
    """A system that says what it took to make it."""

    fit_seconds: float
    """Of the slowest fit; 0 where it learns opening by opening."""
    fit_peak_bytes: int
    """Memory of the largest fit, above what the process held before."""


Factory = Callable[[Interactions, int, int, int], Costed]
"""Makes a peer of the past before the cut, how many articles and visitors there are, and a seed."""


@dataclass(frozen=True, slots=True)
class Library:
    """A model of a library, whose package is imported no sooner than it is asked for."""

    name: str
    package: str
    module: str
    model: str
    last: int = RECENT
    every: int = HOUR

    def __call__(self, past: Interactions, articles: int, visitors: int, seed: int) -> Costed:
        """Return the peer. Raises ``ConfigError`` where its package is not installed."""
        if not self.installed:
            raise ConfigError(
                f"peer {self.name!r} needs the package {self.package!r}, which is not installed:"
                " see the extra 'peers' in the README, or leave this peer out"
            )
        fit = getattr(import_module(self.module), self.model)
        return Peer(self.name, fit, past, seed, last=self.last, every=self.every)

    @property
    def installed(self) -> bool:
        """Whether its package can be imported."""
        return find_spec(self.package) is not None


def installed() -> Mapping[str, Factory]:
    """Return the peers that can be made here, in the order of ``PEERS``."""
    return {
        name: peer
        for name, peer in PEERS.items()
        if not isinstance(peer, Library) or peer.installed
    }


def _implicit(name: str, model: str, **learned: int) -> Library:
    return Library(name, "implicit", "training.peers.with_implicit", model, **learned)


def _lenskit(name: str, model: str) -> Library:
    return Library(name, "lenskit", "training.peers.with_lenskit", model)


def _rectools(name: str, model: str) -> Library:
    return Library(name, "rectools", "training.peers.with_rectools", model)


def _session_knn(past: Interactions, articles: int, visitors: int, seed: int) -> Costed:
    # The replay shows it the past, opening by opening.
    return SessionKnn(articles)


_LIBRARIES = (
    _implicit("implicit BM25", "bm25"),
    _implicit("implicit cosine", "cosine"),
    _implicit("implicit ALS", "als"),
    _implicit("implicit BPR", "bpr"),
    _implicit("implicit BM25, fitted once", "bm25", last=0, every=0),
    _implicit("implicit cosine, fitted once", "cosine", last=0, every=0),
    _implicit("implicit ALS, fitted once", "als", last=0, every=0),
    _implicit("implicit BPR, fitted once", "bpr", last=0, every=0),
    _lenskit("LensKit ItemKNN", "item_knn"),
    _lenskit("LensKit UserKNN", "user_knn"),
    _lenskit("LensKit SLIM", "slim"),
    _lenskit("LensKit EASE", "ease"),
    _lenskit("LensKit ImplicitMF", "implicit_mf"),
    _rectools("RecTools ItemKNN", "item_knn"),
    _rectools("RecTools EASE", "ease"),
    _rectools("RecTools Popular", "popular"),
)

PEERS: dict[str, Factory] = {
    "V-SkNN": _session_knn,
    **{library.name: library for library in _LIBRARIES},
}
"""What to compare with. Libraries are fitted anew every hour on the last openings, as Moreira et
al. (2018) do with these clicks; those "fitted once" know only what came before the cut, where most
of what is read after it was not yet published."""
