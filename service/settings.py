"""What the service must be told before it can start, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data.alerts import Alerts
from data.depot import Depot
from recsys.arms import Experiment
from recsys.config import within
from recsys.policy import Policy

RIGHT_TO_LEFT = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"}
)
"""Languages by their first subtag (BCP 47)."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site of the network, as readers know it."""

    name: str = ""
    """Shown on cards; the id where empty."""
    url: str = ""
    """Address of its front page."""
    language: str = ""
    """Its main language, as in ``lang`` of its pages."""
    origins: tuple[str, ...] = ()
    """Further origins of its pages, as https://m.example.org; that of `url` is one anyway."""

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``, as its language is usually written."""
        return "rtl" if self.language.lower().partition("-")[0] in RIGHT_TO_LEFT else "ltr"


@dataclass(frozen=True, slots=True)
class Limits:
    """What senders may do; each worker counts for itself."""

    events_per_minute: int = 300
    """Events a minute from one address without a key."""
    key_events_per_minute: int = 600_000
    """Events a minute with one key."""
    openings: int = 10
    """Openings of one article from one address without a key in ten minutes."""
    remembered: int = 100_000
    """Addresses that are counted at a time; the least recent is forgotten."""
    trusted_proxies: int = 0
    """Proxies in front of the service whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed;
    they hand on `Host`."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            within(name, getattr(self, name), 0 if name == "trusted_proxies" else 1, 1e9)


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """The table [spool]: where events wait while the store is slow or away."""

    megabytes: float = 256.0
    """Room on the disk for events that wait; when it is full, senders are asked to come again."""
    patience: float = 1.0
    """Seconds that an event may wait for the store before it is queued."""

    def __post_init__(self) -> None:
        within("megabytes", self.megabytes, 1.0, 1e6)
        within("patience", self.patience, 0.05, 60.0)


@dataclass(frozen=True, slots=True)
class Watch:
    """The table [watch]: when the service goes back, on its own, to the bundle before."""

    enabled: bool = True
    """Whether it watches at all."""
    hours: float = 24.0
    """Hours after a bundle has become current in which it is watched."""
    back: float = 72.0
    """Hours before that of which the cards of the bundle before it count, like with like: the same
    pages, placements, arms and hours of day."""
    click_drop: float = 0.3
    """Share by which the click rate may fall; it must have fallen further by all of its interval of
    95 % over readers, and so without any one site."""
    fill_drop: float = 0.2
    """The same of the share of slots that answers fill."""
    impressions: int = 2_000
    """Cards that either bundle must have shown before its clicks are judged."""
    answers: int = 500
    """Answers that a worker must have given with either bundle before their fill is judged."""
    settle: float = 120.0
    """Seconds after which a card that was seen counts: until then it may be clicked yet."""
    seconds: float = 15.0
    """Seconds between two looks; rarer where the store takes long to answer."""

    def __post_init__(self) -> None:
        within("hours", self.hours, 0.0, 8_760.0)
        within("back", self.back, 0.1, 8_760.0)
        within("click_drop", self.click_drop, 0.01, 1.0)
        within("fill_drop", self.fill_drop, 0.01, 1.0)
        within("impressions", self.impressions, 100, 1e9)
        within("answers", self.answers, 100, 1e9)
        within("settle", self.settle, 0.0, 86_400.0)
        # The lease of who looks lasts a minute.
        within("seconds", self.seconds, 0.1, 30.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything ``create_app`` needs; nothing is read from the environment."""

    bundles: Path
    """Directory of the bundles; it may be absent or empty."""
    store_url: str
    """SQLAlchemy URL of the store."""
    keyring: Path
    """File of the secrets that ids are hashed and slates are signed with."""
    sites: Mapping[str, Site] = field(default_factory=dict)
    """Known sites by id, in the order in which pages list them; empty accepts any."""
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    experiment: Experiment | None = None
    """Readers are drawn into its arms; None for one policy for all."""
    spool: Path | None = None
    """Directory where events wait while the store is away; None keeps none."""
    spooling: SpoolSettings = field(default_factory=SpoolSettings)
    depot: Depot = field(default_factory=Depot)
    """Where bundles come from that are not made on this machine."""
    watch: Watch = field(default_factory=Watch)
    alerts: Alerts = field(default_factory=Alerts)
    demo: bool = False
    """Serve article pages of the network under /demo/, and link cards to them."""
    metrics_token: str = field(default="", repr=False)
    """What ``/metrics`` asks of everybody; where empty, it refuses only who comes by a proxy."""
    refresh: float = 1.0
    """Seconds between two looks at the bundle pointer and the store."""
    patience: float = 20.0
    """Seconds that a starting worker waits for its first bundle before it answers without."""

    @property
    def spared(self) -> frozenset[str]:
        """Ids of the bundles that arms of the experiment name: they stay, whatever is current."""
        return self.experiment.bundles if self.experiment else frozenset()

    def site_name(self, site: str) -> str:
        """Return what readers call a site: its id where it has no name."""
        known = self.sites.get(site)
        return (known.name if known else "") or site
