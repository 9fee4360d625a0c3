"""What the files in deploy/ tell machines to run is what the program knows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli import setup
from cli.main import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROGRAM = typer.main.get_command(app)
PLACEHOLDERS = {"%i": "retrain"}


def spoken(words: list[str]) -> list[str]:
    """Parse a command line as the program would, running nothing; returns the commands' names."""
    context, command, names = None, PROGRAM, []
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not hasattr(command, "resolve_command"):
            return names
        words = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, words)
        names.append(name)


def of_compose() -> Iterator[tuple[str, list[str]]]:
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in told["services"].items():
        if service["image"].startswith("recsys"):
            yield f"compose.yaml {name}", service["command"]


def of_kubernetes() -> Iterator[tuple[str, list[str]]]:
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        for told in yaml.safe_load_all(path.read_text()):
            for container in containers(told):
                yield f"{path.name} {told['metadata']['name']}", container["args"]


def containers(told: Any) -> Iterator[dict[str, Any]]:
    """Yield the containers of a manifest, wherever they are."""
    if isinstance(told, dict):
        yield from told.get("containers", ())
        for part in told.values():
            yield from containers(part)
    elif isinstance(told, list):
        for part in told:
            yield from containers(part)


def of_units() -> Iterator[tuple[str, list[str]]]:
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        for line in re.findall(r"^ExecStart=/opt/recsys/bin/recsys (.+)$", path.read_text(), re.M):
            yield path.name, [PLACEHOLDERS.get(word, word) for word in shlex.split(line)]
    for path in sorted((DEPLOY / "systemd").glob("*.timer")):
        (job,) = re.findall(r"^Unit=recsys-job@(\w+)\.service$", path.read_text(), re.M)
        yield path.name, ["job", job]


def of_words() -> Iterator[tuple[str, list[str]]]:
    """Command lines in comments and in the README."""
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix not in (".md", ".yaml", ".conf", "") or not path.is_file():
            continue
        for line in path.read_text().splitlines():
            found = re.match(r"^(?:#\s+|\s+)?(?:\S*/)?recsys (--\w|\w[\w-]* ?)", line)
            if found:
                said = line.strip("# ").partition("  #")[0].partition(" | ")[0].partition(" > ")[0]
                said = said.partition("recsys ")[2].strip()
                if re.match(r"[a-z-]+(\s|$)", said) and not re.search(r"[,:;.]$", said):
                    yield path.name, shlex.split(said)


def of_image() -> Iterator[tuple[str, list[str]]]:
    text = (DEPLOY / "Dockerfile").read_text()
    (words,) = re.findall(r"^CMD (\[.+\])$", text, re.M)
    yield "Dockerfile", yaml.safe_load(words)


SAID = [*of_image(), *of_compose(), *of_kubernetes(), *of_units(), *of_words()]


@pytest.mark.parametrize(("where", "words"), SAID, ids=[f"{w}: {' '.join(c)}" for w, c in SAID])
def test_every_command_line_is_one_that_the_program_understands(where, words):
    assert spoken(words)


def test_each_place_says_some():
    assert {where.partition(" ")[0] for where, _ in SAID} >= {
        *("Dockerfile", "compose.yaml", "service.yaml", "jobs.yaml"),
        *("recsys.service", "recsys-retrain.timer", "README.md"),
    }


def test_a_word_that_the_program_does_not_know_is_found():
    with pytest.raises(Exception, match="No such option: --prot"):
        spoken(["serve", "--prot", "80"])
    with pytest.raises(Exception, match="No such command 'retarin'"):
        spoken(["job", "retarin"])


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.toml")), ids=lambda path: path.parent.name)
def test_every_configuration_can_be_read(path, tmp_path):
    assert setup.load(path, tmp_path).store.url.startswith("postgresql+psycopg://")


def test_every_variable_is_one_that_the_program_reads():
    code = "".join(
        path.read_text() for path in ROOT.glob("[a-z]*/**/*.py") if "test" not in str(path)
    )
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file():
            for name in re.findall(r"\bRECSYS_[A-Z_]+\b", path.read_text()):
                assert f'"{name}"' in code, f"{path.name} names {name}"


def test_one_version_everywhere():
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for said in re.findall(r"\brecsys:(\d[\d.]*)|newTag: (\S+)", path.read_text()):
            assert "".join(said) == version, path.name
    assert f"ARG VERSION={version}" in (DEPLOY / "Dockerfile").read_text()
