"""The command ``recsys``: what it offers, and how it says that something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "demo",
    "serve",
    "train",
    "recommend",
    "evaluate",
    "report",
    "bundles",
    "import",
    "sample",
)


def test_it_offers_its_commands(typed):
    shown = typed("--help").out
    for command in COMMANDS:
        assert f"│ {command} " in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_teaches_itself(typed, command):
    done = typed(command, "--help")
    assert done.code == 0
    assert f"recsys {command}" in done.out


def test_a_known_error_is_one_sentence_on_standard_error_and_code_2(typed):
    done = typed("bundles", "show")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_an_error_shows_its_text_as_it_is(typed):
    assert "--now '[bold]x[/]' is not a time" in typed("train", "--now", "[bold]x[/]").err


def test_an_unknown_command_is_code_2(typed):
    done = typed("recomend")
    assert done.code == 2
    assert "recomend" in done.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[polcy]\n", "unknown table [polcy]"),
        ("[policy]\nn = 3\n", "[policy]: unknown key 'n'"),
        ("[policy\n", "recsys.toml"),
        ("[store]\nurl = 3\n", "url"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(typed, tmp_path, content, said):
    (tmp_path / "recsys.toml").write_text(content)
    done = typed("bundles", "list")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_configuration_that_is_asked_for_must_be_there(typed, tmp_path):
    done = typed("--config", tmp_path / "none.toml", "bundles", "list")
    assert done.code == 2
    assert "none.toml" in done.err


def test_a_configuration_holds_what_commands_follow(typed, tmp_path):
    (tmp_path / "recsys.toml").write_text(f'[store]\nurl = "sqlite:///{tmp_path}/other.db"\n')
    assert typed("recommend", "--site", "daily").code == 0
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "recsys.db").exists()


def test_the_directory_may_stand_in_the_environment(typed, tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_VAR", str(tmp_path / "elsewhere"))
    done = typed("bundles", "list")
    assert done.code == 0
    assert str(tmp_path / "elsewhere") not in done.out  # what is typed comes first
    assert str(tmp_path / "bundles") in done.out


def test_help_does_not_wait_for_the_mathematics():
    heavy = ("faiss", "implicit", "sklearn", "sqlalchemy", "flask", "gunicorn")
    code = f"import sys, cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"
