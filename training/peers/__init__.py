"""Names the systems of other people that ours is compared with, each as its authors ship it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from recsys.errors import ConfigError
from recsys.tables import Interactions
from training.peers.filled import Costed, Filled
from training.peers.peer import Peer
from training.peers.session_knn import SessionKnn

HOUR = 3600
RECENT = 50_000
"""Openings that a peer learns from when it learns anew: what is older is out of the news."""


class Factory(Protocol):
    """Makes a peer."""

    def __call__(
        self, past: Interactions, articles: int, visitors: int, seed: int, **settings: float
    ) -> Costed:
        """Return the peer of the ``past`` before the cut.

        ``articles`` and ``visitors`` say how many there are, ``settings`` what is to be other than
        as tuned.
        """
        ...


@dataclass(frozen=True, slots=True)
class Library:
    """A model of a library, whose package is imported no sooner than it is asked for."""

    name: str
    package: str
    module: str
    model: str
    last: int = RECENT

    def __call__(
        self, past: Interactions, articles: int, visitors: int, seed: int, **settings: float
    ) -> Costed:
        """Return the peer. Raises ``ConfigError`` where its package is not installed."""
        if not self.installed:
            raise ConfigError(
                f"peer {self.name!r} needs the package {self.package!r}, which is not installed:"
                " see the extra 'peers' in the README, or leave this peer out"
            )
        fit = getattr(import_module(self.module), self.model)
        last = int(settings.pop("last", self.last))
        fit = partial(fit, **settings)
        peer = Peer(self.name, fit, past, seed, last=last, every=HOUR)
        return Filled(peer, articles)

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


def _session_knn(
    past: Interactions, articles: int, visitors: int, seed: int, **settings: int
) -> Costed:
    # The replay shows it the past, opening by opening.
    return Filled(SessionKnn(articles, **settings), articles)


_LIBRARIES = (
    _implicit("implicit BM25", "bm25"),
    _implicit("implicit cosine", "cosine"),
    _implicit("implicit ALS", "als"),
    _implicit("implicit BPR", "bpr"),
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
al. (2018) do with these clicks: fitted once, they would know only what came before the cut, where
most of what is read after it was not yet published. All settings are from a search on the day
before the cut that the README compares them after: see ``benchmarks/peers_tuning.py``."""
