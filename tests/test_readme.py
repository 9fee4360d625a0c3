"""The README tells every setting, with its default and its own help."""

import ast
import dataclasses
import inspect
import itertools
from pathlib import Path

import pytest

from cli.setup import Retention, StoreSettings
from data.alerts import Alerts
from data.depot import Depot
from recsys.arms import Arm, Experiment
from recsys.policy import (
    HalfLives,
    Policy,
    SectionRules,
    SiteQuota,
    SourceWeights,
    Sponsored,
    ToneRules,
    TrendRules,
)
from recsys.weights import Weights
from service.settings import Limits, Site, SpoolSettings, Watch
from training.gate import Gate
from training.recipe import Recipe
from training.timetable import Backups, Jobs, JobSettings, Reports

README = Path(__file__).parent.parent / "README.md"
TABLES = {
    "policy": Policy,
    "policy.weights": SourceWeights,
    "policy.half_lives": HalfLives,
    "policy.trends": TrendRules,
    "policy.sponsored": Sponsored,
    "policy.tone": ToneRules,
    "policy.sites.ID": SiteQuota,
    "policy.sections.NAME": SectionRules,
    "train": Recipe,
    "train.weights": Weights,
    "gate": Gate,
    "store": StoreSettings,
    "retention": Retention,
    "jobs": Jobs,
    "jobs.NAME": JobSettings,
    "backup": Backups,
    "report": Reports,
    "alerts": Alerts,
    "limits": Limits,
    "spool": SpoolSettings,
    "bundles": Depot,
    "watch": Watch,
    "experiment": Experiment,
    "experiment.arms": Arm,
    "sites.ID": Site,
}


def settings() -> list[str]:
    """Return the README's rows, made from the dataclasses and the strings below their fields."""
    rows = []
    for table, cls in TABLES.items():
        body = ast.parse(inspect.getsource(cls)).body[0].body
        helps = {
            field.target.id: " ".join(help.value.value.split()).replace("``", "`")
            for field, help in itertools.pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(help, ast.Expr)
            and isinstance(help.value, ast.Constant)
        }
        for field in dataclasses.fields(cls):
            name = f"[[{table}]]" if cls is Arm else f"[{table}]"
            if (shown := default(field)) is not None:
                rows.append(f"| `{name} {field.name}` | {shown} | {helps[field.name]} |")
    return rows


def default(field: dataclasses.Field) -> str | None:
    """Return how a default is shown; None for a table, whose own settings are listed."""
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif (value := field.default) is dataclasses.MISSING:
        return "required"
    if dataclasses.is_dataclass(value) or isinstance(value, dict):
        return None
    return f"`{list(value) if isinstance(value, tuple) else value!r}`"


@pytest.mark.parametrize("row", settings())
def test_the_readme_lists_the_setting(row: str) -> None:
    assert row in README.read_text(encoding="utf-8").splitlines()
