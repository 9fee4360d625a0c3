"""The README tells every setting, with its default and its own help."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))

from fromcode import settings  # noqa: E402

README = (ROOT / "README.md").read_text("utf-8").splitlines()


@pytest.mark.parametrize("row", settings.rows())
def test_the_readme_lists_the_setting(row: str) -> None:
    assert row in README


def test_no_row_tells_of_a_setting_that_there_is_none() -> None:
    told = [line for line in README if line.startswith(("| `[", "| `[["))]
    assert set(told) <= set(settings.rows())
