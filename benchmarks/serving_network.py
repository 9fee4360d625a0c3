"""Makes the network that the serving benchmark serves: generated, imported, and learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import fill, generate, recsys
from serving_load import write_pages


@dataclass(frozen=True, slots=True)
class Network:
    """A sample network and an installation that has learned from it."""

    articles: int
    network: Path
    """What `recsys sample generate` wrote."""
    var: Path
    """Store, bundles and keyring; used as they are, and written to by nobody but the service."""
    pages: Path
    """Addresses to ask for, one a line."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What its application needs to know."""
        return {"config": str(self.network / "recsys.toml"), "var": str(self.var)}


def prepare(
    work: Path, articles: int, readers: int, events: int, network: Path | None, var: Path | None
) -> Network:
    """Return a network, made in ``work`` as far as it is not given and not there yet.

    One of 100,000 articles and 2,000,000 events takes some 20 minutes.
    """
    work.mkdir(parents=True, exist_ok=True)
    network = network or work / f"network-{articles}"
    if not (network / "events.parquet").exists():
        numbers = {"articles": articles, "readers": readers, "events": events}
        words = [f"--{name}={number}" for name, number in numbers.items()]
        generate(network, *words)
    var = var or work / f"var-{articles}"
    if not (var / "bundles" / "current").exists():
        fill(var, network)
        recsys(var, "train")
    pages = work / f"pages-{articles}.txt"
    write_pages(network, pages)
    return Network(articles, network, var, pages)
