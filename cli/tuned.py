"""Writes the settings that a search found as a configuration, with what speaks for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from cli import files
from cli.histories import day

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.inference import Interval
    from training.knobs import Settings, Value
    from training.study import Study
    from training.tune import Verdict


def write(
    out: Path,
    base: Path | None,
    study: "Study",
    changed: "Mapping[str, Value]",
    found: "Settings",
    verdict: "Verdict | None",
) -> None:
    """Write the configuration ``base`` with what is better to ``out``: all of the file or nothing.

    ``changed`` names what ``found`` has other values of. Where no gain was shown these are told in
    comments, so that the file does no harm.
    """
    header = _header(study, verdict)
    document = tomlkit.parse(base.read_text(encoding="utf-8") if base else "")
    keys = sorted({path.rstrip("0123456789").rstrip(".") for path in changed})
    values = {key: found.value(key) for key in keys}
    if verdict and verdict.proven:
        for key, value in values.items():
            _put(document, key.split("."), list(value) if isinstance(value, tuple) else value)
    elif values:
        told = [f"{k} = {list(v) if isinstance(v, tuple) else v}" for k, v in values.items()]
        header = [*header, "The best that was found:", *told]
    text = "".join(f"# {line}\n" for line in header) + "\n" + tomlkit.dumps(document)
    files.write(out, text.encode())


def words(verdict: "Verdict | None", metric: str) -> str:
    """Return in one sentence whether what was found is better."""
    if verdict is None:
        return "No trial did better than the settings as they are: keep them."
    gain = (
        f"{verdict.gain.mean:+.4f} {metric} ({verdict.gain.low:+.4f} to {verdict.gain.high:+.4f})"
    )
    asked = f"on {verdict.questions:,} questions of the days that the search never saw"
    if verdict.proven:
        return f"A gain of {gain} {asked}."
    return f"No gain is shown ({gain}) {asked}: keep the settings as they are."


def interval(value: "Interval") -> str:
    """Return a mean with its bounds."""
    return f"{value.mean:.4f} ({value.low:.4f}-{value.high:.4f})"


def _header(study: "Study", verdict: "Verdict | None") -> list[str]:
    plan, trials = study.plan, study.trials
    lines = [
        f"Found by recsys tune in {len(trials)} trials, seed {plan.seed}:",
        f"{plan.metric} of the {plan.task}, {plan.questions or 'all'} questions.",
        f"Searched {day(plan.cut)} to {day(plan.end)}: {plan.metric} {trials[0].score:.4f} as it"
        f" was, {study.best.score:.4f} at best.",
    ]
    if verdict:
        lines.append(
            f"Judged {day(plan.end)} to {day(plan.until)}: {plan.metric}"
            f" {interval(verdict.before)} as it was, {interval(verdict.after)} with what was found."
        )
    return [*lines, words(verdict, plan.metric)]


def _put(table: Any, path: list[str], value: Any) -> None:
    *names, last = path
    for name in names:
        if name not in table:
            table[name] = tomlkit.table()
        table = table[name]
    table[last] = value
