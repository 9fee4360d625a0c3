"""Names the settings that tuning may turn, how far, and what they do to a recipe and a policy."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.policy import DAY, Policy
from training.recipe import Recipe

Value = float | int


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting and the range in which a better value of it is sought, on a logarithmic scale."""

    path: str
    """Where it stands in the configuration, as ``train.alpha``; a number counts within a list."""
    low: Value
    high: Value

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return isinstance(self.low, int)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides what a bundle is and how it is served."""

    recipe: Recipe
    policy: Policy

    def turned(self, values: Mapping[str, Value]) -> "Settings":
        """Return the settings with each path's value in place; raises as ``Recipe`` and ``Policy``.

        A path that is no setting raises ``AttributeError``: it is a mistake in the program.
        """
        found = {"train": self.recipe, "policy": self.policy}
        for path, value in values.items():
            table, *rest = path.split(".")
            found[table] = _put(found[table], rest, value)
        return Settings(found["train"], found["policy"])

    def value(self, path: str) -> Any:
        """Return what stands at a path: a number, or a list of them."""
        table, *rest = path.split(".")
        found: Any = self.recipe if table == "train" else self.policy
        for name in rest:
            found = found[int(name)] if name.isdecimal() else getattr(found, name)
        return found


GROUPS: dict[str, tuple[Knob, ...]] = {
    # Only the ratios of the weights matter: the one of co_read is the unit of the others.
    "policy": (
        Knob("policy.weights.related", 0.05, 20.0),
        Knob("policy.weights.trending", 0.005, 5.0),
        Knob("policy.weights.personal", 0.01, 10.0),
        Knob("policy.half_lives.related", 1 * DAY, 365 * DAY),
        Knob("policy.half_lives.personal", DAY / 8, 60 * DAY),
    ),
    "train": (
        Knob("train.coread_half_lives.0", 300.0, 4 * 3600.0),
        Knob("train.coread_half_lives.1", DAY / 2, 90 * DAY),
        Knob("train.factors", 16, 160),
        Knob("train.alpha", 1.0, 100.0),
        Knob("train.regularization", 0.001, 1.0),
        Knob("train.weights.half_life", 2 * DAY, 365 * DAY),
    ),
    "ranker": (
        Knob("train.rank_trees", 20, 200),
        Knob("train.rank_leaves", 7, 63),
        Knob("train.rank_rate", 0.03, 0.3),
    ),
}
"""What can be tuned together. A publisher's rules (quotas, diversity, exploration) are no matter of
accuracy, and are left as they are."""


def _put(value: Any, path: list[str], new: Value) -> Any:
    if not path:
        return new
    name, *rest = path
    if name.isdecimal():
        place = int(name)
        return (*value[:place], _put(value[place], rest, new), *value[place + 1 :])
    return dataclasses.replace(value, **{name: _put(getattr(value, name), rest, new)})
