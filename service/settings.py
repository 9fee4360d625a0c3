"""What the service must be told before it can start, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recsys.policy import Policy


@dataclass(frozen=True, slots=True)
class Site:
    """One site of the network, as readers know it."""

    name: str = ""
    """Shown on cards; the id where empty."""
    url: str = ""
    """Address of its front page."""
    language: str = ""
    """Its main language, as in ``lang`` of its pages."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything ``create_app`` needs; nothing is read from the environment."""

    bundles: Path
    """Directory of the bundles; it may be absent or empty."""
    store_url: str
    """SQLAlchemy URL of the store."""
    sites: Mapping[str, Site] = field(default_factory=dict)
    """Known sites by id, in the order in which pages list them; empty accepts any."""
    policy: Policy = field(default_factory=Policy)
    demo: bool = False
    """Serve article pages of the network under /demo/, and link cards to them."""
    refresh: float = 1.0
    """Seconds between two looks at the bundle pointer and the store."""
    patience: float = 20.0
    """Seconds that a starting worker waits for its first bundle before it answers without."""

    def site_name(self, site: str) -> str:
        """Return what readers call a site: its id where it has no name."""
        known = self.sites.get(site)
        return (known.name if known else "") or site
