"""Decides which arm of an experiment a reader is in: by a hash, so that nothing need be kept."""

import datetime
import hashlib
import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any

from pydantic import BeforeValidator

from recsys.config import Place, Problems, overlaid, parse, within
from recsys.errors import ConfigError
from recsys.policy import Policy, read_policy

_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")


def _seconds(value: object) -> object:
    """Turn a date or time of TOML into UTC seconds; it is UTC where it names no zone."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp())
    return value


Moment = Annotated[int, BeforeValidator(_seconds)]


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the ways to fill the box that an experiment compares."""

    name: str
    """Its name in answers, events and reports."""
    share: float
    """Share of the experiment's readers that it gets; the shares of all arms add up to 1."""
    bundle: str = ""
    """Bundle that it is served from whatever is current; the current one where empty."""
    policy: Policy = field(default_factory=Policy)
    """[policy] with what the arm changes of it."""

    def __post_init__(self) -> None:
        _require_name("name", self.name)
        within("share", self.share, 0.001, 1.0)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Who sees which arm, and when.

    Raises ``ConfigError`` for fewer than two arms, two of one name, shares that do not add up to 1,
    or an end that is not after the start.
    """

    id: str
    """Its name; readers are drawn anew for each."""
    arms: tuple[Arm, ...]
    """Two arms or more; the first is what the others are compared with."""
    salt: str = ""
    """Another salt draws the readers anew; it must not change while the experiment runs."""
    traffic: float = 1.0
    """Share of all readers who take part; raising it moves nobody from one arm to another."""
    start: Moment = 0
    """When it begins: a time, as 2026-11-24T06:00:00Z, or UTC seconds."""
    end: Moment = 0
    """When everybody gets `[policy]` again, likewise; 0 for never."""

    def __post_init__(self) -> None:
        _require_name("id", self.id)
        within("traffic", self.traffic, 0.0, 1.0)
        names = [arm.name for arm in self.arms]
        if len(set(names)) < max(len(names), 2):
            raise ConfigError(f"names of arms = {names}: expected two or more, all different")
        if not math.isclose(sum(arm.share for arm in self.arms), 1.0, abs_tol=1e-6):
            shares = [arm.share for arm in self.arms]
            raise ConfigError(f"shares of arms = {shares}: expected to add up to 1")
        if self.end and self.end <= self.start:
            raise ConfigError(f"end = {self.end}: expected to be after start = {self.start}, or 0")

    def arm_of(self, reader: str, now: int) -> Arm | None:
        """Return the arm of a reader at ``now`` (UTC seconds).

        None for whoever takes no part, outside of the experiment's time, and for the empty name,
        under which nobody could be shown the same arm twice. Who takes part and who is in which arm
        are drawn apart from each other, by one hash each: BLAKE2b over salt, id and reader.
        """
        if not reader or now < self.start or (self.end and now >= self.end):
            return None
        if self._draw("part", reader) >= self.traffic:
            return None
        # The last bound may be rounded: everything beyond the one before it is the last arm's.
        bounds = list(accumulate(arm.share for arm in self.arms))[:-1]
        return self.arms[bisect_right(bounds, self._draw("arm", reader))]

    def label(self, arm: Arm) -> str:
        """Return what answers and events call an arm: ``ID/NAME``."""
        return f"{self.id}/{arm.name}"

    @property
    def bundles(self) -> frozenset[str]:
        """Ids of the bundles that arms name."""
        return frozenset(arm.bundle for arm in self.arms) - {""}

    def _draw(self, purpose: str, reader: str) -> float:
        """Return a number in [0, 1) that is uniform over readers."""
        text = "\x1f".join((self.salt, self.id, purpose, reader))
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / 2**53  # 53 bits: more would round up to 1


def read_experiment(table: Any, policy: Mapping[str, Any], file: Place) -> Experiment:
    """Return the experiment of the TOML table [experiment].

    ``policy`` is the table [policy], of which each arm says only what it changes, and ``file`` the
    place of both. Raises ``Misread`` with everything unknown or wrong.
    """
    where = file / "experiment"
    if not isinstance(table, Mapping):
        return parse(Experiment, table, where)
    problems, arms, made = Problems(), table.get("arms", []), []
    if not (isinstance(arms, list) and all(isinstance(arm, Mapping) for arm in arms)):
        problems.add(where, f"arms = {arms!r}: expected tables [[experiment.arms]]", "arms")
        problems.settle()
    for place, arm in enumerate(arms):
        with problems:
            made.append(_read_arm(arm, policy, where / "arms" / place, file / "policy"))
    problems.settle()
    return parse(Experiment, {**table, "arms": tuple(made)} if "arms" in table else table, where)


def _read_arm(arm: Mapping[str, Any], policy: Mapping[str, Any], where: Place, base: Place) -> Arm:
    problems, changes = Problems(), arm.get("policy", {})
    if not isinstance(changes, Mapping):
        problems.add(where, f"policy = {changes!r}: expected a table", "policy")
        problems.settle()
    made = Policy()
    with problems:
        made = read_policy(overlaid(policy, changes), (where / "policy").above(base))
    with problems:
        read = parse(Arm, {**arm, "policy": made}, where)
    problems.settle()
    return read


def _require_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{field} = {name!r}: expected 1 to 32 letters, digits, dots, dashes and underscores"
        )
