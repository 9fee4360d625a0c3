"""Keeps a search for settings in a file, so that it may be killed at any moment and go on."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from recsys.errors import Busy, ConfigError
from recsys.replay import TaskName
from training.knobs import GROUPS, Knob, Settings, Value

if TYPE_CHECKING:
    import optuna

MetricName = Literal["MRR@10", "HR@10"]
FEW_TRIALS = 10
"""Below which importances would be noise; the search itself draws blindly that often."""
DIGITS = 3
"""Significant digits of a value that is tried, so that a person can read what is written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one search asks; a search that goes on must ask the same."""

    cut: int
    """Trials learn from what was before it, UTC seconds."""
    end: int
    """Trials are asked about what was from ``cut`` until it."""
    until: int
    """The days from ``end`` until it decide, once, at the end."""
    task: TaskName = "next click"
    metric: MetricName = "MRR@10"
    groups: tuple[str, ...] = ("policy", "train")
    questions: int = 5_000
    """About how many openings are asked about in each window; 0 for all."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt."""

    number: int
    """From 0, which are the settings as they were."""
    score: float
    values: Mapping[str, Value]


class Study:
    """The trials of a search, in a file of SQLite."""

    def __init__(self, study: "optuna.Study", plan: Plan, knobs: tuple[Knob, ...]) -> None:
        self._study = study
        self.plan = plan
        self.knobs = knobs

    @property
    def trials(self) -> list[Trial]:
        """What was tried to the end, in order."""
        from optuna.trial import TrialState

        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [
            Trial(number, trial.value or 0.0, neat(trial.params))
            for number, trial in enumerate(done)
        ]

    @property
    def best(self) -> Trial:
        """The trial of the highest score, the first of equals."""
        return max(self.trials, key=lambda trial: (trial.score, -trial.number))

    def importances(self) -> dict[str, float]:
        """Return each knob's share of what made scores differ (fANOVA; Hutter et al., 2014).

        Empty where too little was tried to tell.
        """
        import optuna

        trials = self.trials
        if len(trials) < FEW_TRIALS or len({trial.score for trial in trials}) == 1:
            return {}
        forest = optuna.importance.FanovaImportanceEvaluator(seed=self.plan.seed)
        shares = optuna.importance.get_param_importances(self._study, evaluator=forest)
        return {path: float(share) for path, share in shares.items()}

    def attempt(self, score: Callable[[Mapping[str, Value]], float]) -> None:
        """Try the next values: the same ones, whether or not the search was killed before."""
        import optuna

        done = len(self.trials)
        # A sampler of its own for each trial has no state that a kill could lose.
        seed = int(np.random.default_rng([self.plan.seed, done]).integers(2**32))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=FEW_TRIALS, multivariate=True
        )
        trial = self._study.ask()
        for knob in self.knobs:
            suggest = trial.suggest_int if knob.whole else trial.suggest_float
            suggest(knob.path, knob.low, knob.high, log=True)  # type: ignore[operator]
        self._study.tell(trial, score(neat(trial.params)))


@contextmanager
def open_study(path: Path, plan: Plan, settings: Settings, data: str) -> Iterator[Study]:
    """Begin a search in the file ``path``, or go on with the one in it.

    ``data`` names what is replayed. Raises ``ConfigError`` where the search in it asks anything
    else, and ``Busy`` where another process is at it.
    """
    from optuna.trial import TrialState

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=0):
            study = _load(path, create=True)
            assert study is not None
            asked = {"plan": _told(plan), "settings": digest(settings), "data": _digest(data)}
            for name, new in asked.items():
                old = study.user_attrs.get(name, new)
                if old != new:
                    raise ConfigError(
                        f"the {name} of the search in {path} differ from what is asked for now;"
                        " expected the same ones, or another --name"
                    )
                study.set_user_attr(name, new)
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)  # it was killed
            knobs = tuple(_knobs(plan.groups, settings))
            begun = study.get_trials(
                deepcopy=False, states=(TrialState.COMPLETE, TrialState.WAITING)
            )
            if not begun:
                study.enqueue_trial({knob.path: settings.value(knob.path) for knob in knobs})
            yield Study(study, plan, knobs)
    except Timeout as error:
        raise Busy(f"another process is tuning into {path}; wait, or use another --name") from error


def plan_of(path: Path) -> Plan | None:
    """Return what the search in the file ``path`` asks, None where there is none yet."""
    study = _load(path, create=False) if path.exists() else None
    told = study.user_attrs.get("plan") if study else None
    return Plan(**told | {"groups": tuple(told["groups"])}) if told else None


def neat(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values as they are tried and written: of ``DIGITS`` significant digits."""
    return {
        path: value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
        for path, value in values.items()
    }


def digest(settings: Settings) -> str:
    """Return a short name of the settings that a search starts from."""
    return f"{settings.recipe.hash}-{settings.policy.id}"


def _knobs(groups: tuple[str, ...], settings: Settings) -> Iterator[Knob]:
    """Yield what is turned: what was switched off stays off, and what was set is within reach."""
    for knob in (knob for group in groups for knob in GROUPS[group]):
        value = settings.value(knob.path)
        if value > 0:
            yield Knob(knob.path, min(knob.low, value), max(knob.high, value))


def _load(path: Path, *, create: bool) -> "optuna.Study | None":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    if not create and not storage.get_all_studies():
        return None
    return optuna.create_study(
        storage=storage, study_name="tuning", direction="maximize", load_if_exists=True
    )


def _told(plan: Plan) -> dict[str, Any]:
    return dataclasses.asdict(plan) | {"groups": list(plan.groups)}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
