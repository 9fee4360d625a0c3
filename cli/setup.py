"""Turns the command line's global options and one TOML file into the values commands need."""

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data import keyring as keyrings
from data.alerts import Alerts
from data.connections import StoreSettings
from data.depot import Depot
from data.keyring import Keyring
from recsys.arms import Experiment, read_experiment
from recsys.config import Problems, load_toml, parse, within
from recsys.errors import ConfigError, DataError
from recsys.policy import Policy, read_policy
from service.settings import Limits, Site, SpoolSettings, Watch
from training.gate import Gate
from training.recipe import Recipe
from training.timetable import Backups, Jobs, Reports


@dataclass(frozen=True, slots=True)
class Retention:
    """The table [retention]."""

    days: float = 395.0
    """Events older than this are deleted by `recsys job retention`."""

    def __post_init__(self) -> None:
        within("days", self.days, 1.0, 36_500.0)


@dataclass(frozen=True, slots=True)
class Setup:
    """What every command may need."""

    var: Path
    """Where databases, bundles and rejects live."""
    sites: dict[str, Site] = field(default_factory=dict)
    store: StoreSettings = field(default_factory=StoreSettings)
    policy: Policy = field(default_factory=Policy)
    recipe: Recipe = field(default_factory=Recipe)
    gate: Gate = field(default_factory=Gate)
    retention: Retention = field(default_factory=Retention)
    jobs: Jobs = field(default_factory=Jobs)
    backup: Backups = field(default_factory=Backups)
    report: Reports = field(default_factory=Reports)
    alerts: Alerts = field(default_factory=Alerts)
    limits: Limits = field(default_factory=Limits)
    spooling: SpoolSettings = field(default_factory=SpoolSettings)
    depot: Depot = field(default_factory=Depot)
    watch: Watch = field(default_factory=Watch)
    experiment: Experiment | None = None
    """The table [experiment]; None where there is none."""
    config: Path | None = None
    """The file that it was read from, None where there is none."""

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store, with the password that a file holds where one is named.

        Raises ``ConfigError`` where ``$RECSYS_STORE_PASSWORD_FILE`` cannot be read.
        """
        url, file = self.store.url, os.environ.get("RECSYS_STORE_PASSWORD_FILE")
        if url and file:
            url = _with_password(url, Path(file))
        return self.store.address(url or f"sqlite:///{self.var / 'recsys.db'}")

    @property
    def keyring(self) -> Path:
        """File of this installation's secrets."""
        return Path(os.environ.get("RECSYS_KEYRING") or self.var / "keyring.json")

    def site_name(self, site: str) -> str:
        """Return what readers call a site: its id where it has no name."""
        return self.sites.get(site, Site()).name or site

    def load_keyring(self) -> Keyring:
        """Return this installation's secrets, making them on first use."""
        return keyrings.load(self.keyring, int(time.time()))

    @property
    def spool(self) -> Path:
        """Directory where a service on this machine queues events while the store is away."""
        return self.var / "spool"

    @property
    def backups(self) -> Path:
        """Directory of the backups."""
        return Path(self.backup.directory) if self.backup.directory else self.var / "backups"

    @property
    def reports(self) -> Path:
        """Directory of the pages that `recsys job report` writes."""
        return self.var / "reports"

    @property
    def spared(self) -> frozenset[str]:
        """Ids of the bundles that arms of the experiment name: they stay, whatever is current."""
        return self.experiment.bundles if self.experiment else frozenset()

    @property
    def bundles(self) -> Path:
        """Directory of the bundles."""
        return self.var / "bundles"


def _with_password(url: str, file: Path) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
        return make_url(url).set(password=password).render_as_string(hide_password=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"$RECSYS_STORE_PASSWORD_FILE = {file}: {reason}") from error
    except ArgumentError:
        return url  # whoever opens it says what is wrong with it


def require_known(option: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``DataError`` for the first of ``names`` given to ``option`` that is not ``known``."""
    for name in names:
        if name not in known:
            raise DataError(f"{option} {name!r} is unknown; known: {', '.join(known)}")


def parse_time(text: str, option: str) -> int:
    """Return UTC seconds of the ISO 8601 time given to ``option``.

    Raises ``DataError`` where it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(
            f"{option} {text!r} is not a time; expected ISO 8601, as 2017-10-11T03:00"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a configuration."""

    policy: Any = None
    """Placements and the arms of an experiment say what they change of it: see ``read_policy``."""
    experiment: Any = None
    sites: Mapping[str, Site] = field(default_factory=dict)
    store: StoreSettings = field(default_factory=StoreSettings)
    train: Recipe = field(default_factory=Recipe)
    gate: Gate = field(default_factory=Gate)
    retention: Retention = field(default_factory=Retention)
    jobs: Jobs = field(default_factory=Jobs)
    backup: Backups = field(default_factory=Backups)
    report: Reports = field(default_factory=Reports)
    alerts: Alerts = field(default_factory=Alerts)
    limits: Limits = field(default_factory=Limits)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    bundles: Depot = field(default_factory=Depot)
    watch: Watch = field(default_factory=Watch)


def load(config: Path | None, var: Path | None) -> Setup:
    """Read the configuration; ``recsys.toml`` in ``var`` or the current directory by default.

    Raises ``ConfigError`` where there is none to read, and ``Misread`` with everything unknown or
    wrong in it.
    """
    where = var or Path(os.environ.get("RECSYS_VAR", "var"))
    if config is None:
        named = os.environ.get("RECSYS_CONFIG")
        choices = [Path(named)] if named else [where / "recsys.toml", Path("recsys.toml")]
        config = next((path for path in choices if named or path.exists()), None)
    if config is None:
        return Setup(var=where, alerts=_with_secret(Alerts()))
    tables, file = load_toml(config)
    problems, base, experiment = Problems(), tables.get("policy", {}), None
    with problems:
        read = parse(Tables, tables, file)
    with problems:
        policy = read_policy(base, file / "policy")
    if "experiment" in tables and isinstance(base, Mapping):
        with problems:
            experiment = read_experiment(tables["experiment"], base, file)
    problems.settle()
    return Setup(
        var=where,
        sites=dict(read.sites),
        store=read.store,
        policy=policy,
        recipe=read.train,
        gate=read.gate,
        retention=read.retention,
        jobs=read.jobs,
        backup=read.backup,
        report=read.report,
        alerts=_with_secret(read.alerts),
        limits=read.limits,
        spooling=read.spool,
        depot=read.bundles,
        watch=read.watch,
        experiment=experiment,
        config=config,
    )


def _with_secret(alerts: Alerts) -> Alerts:
    webhook = os.environ.get("RECSYS_WEBHOOK")
    return dataclasses.replace(alerts, webhook=webhook) if webhook else alerts
