"""Holds the engine that answers now, and keeps it up to date with bundles and the store."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from threadpoolctl import threadpool_limits

from data import access
from data import keyring as keyrings
from data import rules as ruling
from data.access import ApiKey
from data.follow import Follower
from data.keyring import Keyring
from data.store import Store
from recsys import bundle as bundles
from recsys import manifest, shelf
from recsys.bundle import Bundle
from recsys.engine import Engine
from recsys.errors import BundleError, BundleMissing, reason_of
from recsys.live import Live
from recsys.rules import Rule
from recsys.types import ArticleId, Query
from service import memory, metrics, spans
from service.fills import Fills
from service.intake import Intake
from service.jobs import Jobs
from service.passed import passed
from service.puller import Puller
from service.settings import Settings
from service.spool import Spool
from service.vitals import Vitals
from service.watch import Watcher

RETRY = 30
"""Seconds after which a refused bundle is looked at again: it may have been repaired."""
LEAST = 0.5
"""Seconds between two refreshes at most, where one takes longer than they should lie apart."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class State:
    """What /readyz tells; times in UTC seconds."""

    bundle: str = ""
    bundle_created: int = 0
    refused: str = ""
    refused_because: str = ""
    refused_at: int = 0
    store_reachable: bool = False
    awaited: bool = False
    """Whether the first bundle of this machine is on its way from the depot."""
    refreshed: int = 0
    """When pointer and store were last looked at; 0 before the first time."""
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """An engine with the moving state that one thread feeds."""

    engine: Engine
    live: Live
    bundle: Bundle
    follower: Follower | None = None
    """None until the store could be reached."""


class Holder:
    """Answers ``engine`` at any time from any thread; one thread calls ``refresh``.

    Requests read ``engine`` once. A new bundle becomes a new engine, complete before the one
    assignment that shows it, so no request sees parts of two.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._beside: dict[str, Served] = {}
        """Bundles that arms of the experiment name, by id."""
        self._unserved: dict[str, tuple[int, str]] = {}
        """Those that could not be served: when that was, and why not."""
        self._rules: tuple[int, tuple[Rule, ...]] = (-1, ())
        """The revision at which editors' rules were last read, and what they were."""
        self._served = self._assemble(Bundle.empty())
        self._vitals = Vitals()
        self._jobs = Jobs()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._looked = threading.Event()
        self.state = State()
        self.keyring: Keyring = keyrings.load(settings.keyring, int(time.time()))
        """Secrets that ids are hashed and slates are signed with."""
        self.keys: Mapping[str, ApiKey] = {}
        """Keys of those who write, by id."""
        spooling = settings.spooling
        spool = Spool(settings.spool, int(spooling.megabytes * 1e6)) if settings.spool else None
        self.intake = Intake(lambda: self.store, spool, spooling.patience)
        """Where events go."""
        self.fills = Fills()
        """How full the answers of this worker are."""
        self._watcher = Watcher(settings, self)
        self._puller = Puller(settings, self.nudge)

    @property
    def engine(self) -> Engine:
        """The engine to answer with; it works from the first moment, if only with a note."""
        return self._served.engine

    def engine_for(self, reader: str, now: int) -> tuple[Engine, str]:
        """Return the engine that answers a reader (a pseudonym), and the label of its arm.

        Outside of an experiment that is ``engine``, and the label is empty. So it is while the
        bundle of the arm cannot be served: what the arm did not make must not count as its own.
        """
        experiment = self._settings.experiment
        arm = experiment.arm_of(reader, now) if experiment else None
        if experiment is None or arm is None:
            return self.engine, ""
        served = self._beside.get(arm.bundle) if arm.bundle else self._served
        if served is None:
            return self.engine, ""
        return dataclasses.replace(served.engine, policy=arm.policy), experiment.label(arm)

    @property
    def store(self) -> Store:
        """The store, opened on first use: a connection must not be older than the fork."""
        with self._opening:
            if self._store is None:
                self._store = Store.open(self._settings.store_url)
            return self._store

    def sites(self) -> list[str]:
        """Return the sites of the network: as configured, else those that have articles."""
        return list(self._settings.sites) or sorted(self._served.live.view.catalogue.sites)

    def knows(self, article: ArticleId) -> bool:
        """Return whether an article is known here, be it withdrawn."""
        return self._served.live.row(article) >= 0

    def readers(self, names: Sequence[str], most: int = 4) -> list[str]:
        """Return those among some visitors who have read the most, for the demo."""
        bundle = self._served.bundle
        rows = bundle.visitors.rows([self.keyring.visitor(name) for name in names])
        counts = np.append(np.diff(bundle.reads.start), 0)[rows]  # row -1: nobody
        return [names[i] for i in np.argsort(-counts, kind="stable")[:most] if counts[i]]

    def start(self) -> None:
        """Refresh from now on in a thread; waits a while for the first time to succeed."""
        threading.Thread(target=self._run, name="refresh", daemon=True).start()
        self._puller.start()
        self._watcher.start()
        self.intake.start()
        self._looked.wait(self._settings.patience)

    def stop(self) -> None:
        """End the threads at their next turn."""
        self._stop.set()
        self._watcher.stop()
        self._puller.stop()
        self._wake.set()
        self.intake.stop()

    def nudge(self) -> None:
        """Have the thread look at once: somebody has just written."""
        self._wake.set()

    def refresh(self, now: int) -> None:
        """Take a new bundle if there is one, and whatever the store has learned; never raises."""
        # First: no article that editors blocked may show in what is taken up below.
        rules = self._attempt("rules", self._follow_rules, now)
        bundle = self._attempt("bundle", self._take_bundle, now)
        store = self._attempt("store", self._follow_store, now)
        arms = self._attempt("experiment", self._serve_arms, now)
        keys = self._attempt("access", self._follow_access, now)
        jobs = self._attempt("jobs", lambda now: self._jobs.follow(self.store, now), now)
        depot = f"depot: {self._puller.error}" if self._puller.error else ""
        self.state = dataclasses.replace(
            self.state,
            refreshed=now,
            store_reachable=not store,
            error="; ".join(filter(None, (rules, bundle, store, arms, keys, jobs, depot))),
            awaited=self._puller.first and not self.state.bundle,
        )
        self._tell(now)

    def _tell(self, now: int) -> None:
        """Set the gauges that say how fresh this worker is."""
        metrics.READY.set(1)
        metrics.REFRESHED.set(now)
        metrics.BUNDLE_CREATED.set(self.state.bundle_created if self.state.bundle else 0)
        metrics.BUNDLE_REFUSED.set(bool(self.state.refused))
        if self.state.store_reachable:
            metrics.STORE_FOLLOWED.set(now)
        if self._served.follower:
            metrics.NEWEST_EVENT.set(self._served.follower.newest)
        self._vitals.take()

    def _attempt(self, what: str, step: Callable[[int], None], now: int) -> str:
        """Do one step and return why it failed, empty where it did not."""
        try:
            step(now)
        except Exception as error:
            metrics.REFRESH_FAILURES.labels(what).inc()
            reason = f"{what}: {reason_of(error)}"
            if reason not in self.state.error:  # a lasting failure is one line, not one a second
                log.error("refresh failed", what=what, exc_info=error)
            return reason
        return ""

    def _run(self) -> None:
        # New articles are embedded here, beside requests: one core is enough for that.
        with threadpool_limits(1):
            while not self._stop.is_set():
                began = time.monotonic()
                with metrics.REFRESH_SECONDS.time():
                    self.refresh(int(time.time()))
                self._looked.set()
                # From beginning to beginning; what takes longer leaves answers half of the time.
                spent = time.monotonic() - began
                self._wake.wait(max(self._settings.refresh - spent, min(spent, LEAST)))
                self._wake.clear()

    def _take_bundle(self, now: int) -> None:
        state = self.state
        try:
            wanted = bundles.current(self._settings.bundles)
        except BundleMissing:
            return
        if wanted == state.bundle:
            if state.refused:  # rolled back to what is served
                self.state = dataclasses.replace(state, refused="", refused_because="")
            return
        if wanted == state.refused and not passed(state.refused_at, RETRY, now):
            return
        began = time.time_ns()
        try:
            fresh = self._open(wanted, now)
        except Exception as error:
            metrics.REFRESH_FAILURES.labels("bundle").inc()
            reason = reason_of(error)
            log.warning("bundle refused", bundle=wanted, reason=reason)
            self.state = dataclasses.replace(
                self.state, refused=wanted, refused_because=reason, refused_at=now
            )
            return
        try:
            fresh = self._following(fresh)
        except Exception:
            # The engine in service knows of withdrawals that the new one would not: keep it.
            if self.state.bundle:
                raise
        fresh.live.refresh(now)
        self._served = fresh
        self.state = dataclasses.replace(
            self.state,
            bundle=wanted,
            bundle_created=fresh.bundle.manifest.created,
            refused="",
            refused_because="",
        )
        memory.settle()
        metrics.SWAPS.inc()
        spans.past("bundle swap", began, bundle=wanted)
        log.info("bundle in service", bundle=wanted)

    def _follow_store(self, now: int) -> None:
        try:
            if self._served.follower is None:
                # Anew: an attempt that failed halfway may have counted something.
                self._served = self._following(self._assemble(self._served.bundle))
            else:
                self._served.follower.catch_up()
        finally:
            # Trends fade and articles expire even while the store is away.
            self._served.live.refresh(now)

    def _serve_arms(self, now: int) -> None:
        """Keep the bundles that arms name in service beside the current one."""
        for id in sorted(self._settings.spared):
            if served := self._beside.get(id):
                try:
                    assert served.follower is not None
                    served.follower.catch_up()
                finally:
                    served.live.refresh(now)
            elif passed(self._unserved.get(id, (-RETRY, ""))[0], RETRY, now):
                try:
                    fresh = self._following(self._open(id, now))
                except Exception as error:
                    reason = f"an arm's bundle {id!r} is not in service: {reason_of(error)}"
                    self._unserved[id] = now, reason
                    continue
                fresh.live.refresh(now)
                self._beside[id] = fresh
                self._unserved.pop(id, None)
                log.info("bundle in service for an arm", bundle=id)
        if self._unserved:
            raise BundleError("; ".join(reason for _, reason in self._unserved.values()))

    def _follow_rules(self, now: int) -> None:
        """Take up what editors decided; it counts from the next refresh of each live state on."""
        revision = ruling.revision(self.store)
        if revision == self._rules[0]:
            return
        self._rules = revision, ruling.active(self.store, now)
        for served in (self._served, *self._beside.values()):
            served.live.rule(self._rules[1])

    def _follow_access(self, now: int) -> None:
        """Take up keys and secrets as they are now: what was revoked ends within a refresh."""
        self.keys = {key.id: key for key in access.keys(self.store)}
        self.keyring = keyrings.load(self._settings.keyring, now)

    def _open(self, id: str, now: int) -> Served:
        """Return a bundle's engine, checked byte by byte, if not lately, and by questions."""
        folder = shelf.folder(self._settings.bundles, id)
        manifest.verify_once(folder, now)
        fresh = self._assemble(bundles.open_bundle(folder))
        _probe(fresh, now)
        return fresh

    def _following(self, served: Served) -> Served:
        follower = Follower.begin(self.store, served.live, time.time)
        return dataclasses.replace(served, follower=follower)

    def _assemble(self, bundle: Bundle) -> Served:
        live = Live(bundle)
        live.rule(self._rules[1])
        return Served(Engine(bundle, live, self._settings.policy), live, bundle)


def _probe(served: Served, now: int) -> None:
    """Ask a new engine what pages will ask; raises whatever it raises."""
    catalogue = served.bundle.catalogue
    ends = {0, len(catalogue) // 2, len(catalogue) - 1} if len(catalogue) else set()
    queries = [Query(site="", now=now)]
    queries += [Query(catalogue.id(row).site, now, catalogue.id(row)) for row in sorted(ends)]
    queries += [dataclasses.replace(query, visitor="probe") for query in queries]
    for query in queries:
        for item in served.engine.recommend(query).items:
            served.engine.card(item.article)
