"""The command line as a person types it, without the seconds that a new process costs."""

import sys
from types import SimpleNamespace

import pytest
import structlog
from hypothesis import settings

from cli.main import run

# How long an example takes is the machine's business, and machines are noisy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def typed(capsys, monkeypatch, tmp_path):
    """Type ``recsys --var TMP ...``; returns its exit code and what it printed.

    What is no known error is raised, as a test would otherwise have to look for tracebacks.
    """

    def type_(*words: object) -> SimpleNamespace:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["recsys", "--var", str(tmp_path), *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            run()
        except SystemExit as left:
            code = left.code or 0
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    logging = structlog.get_config()
    yield type_
    structlog.configure(**logging)  # what a command configured writes to this test's stderr
