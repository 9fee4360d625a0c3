"""``recsys sample generate`` as a person types it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli.main import app
from recsys.errors import RecsysError


def test_it_writes_a_network_of_the_wanted_size(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    words = ["sample", "generate", str(folder), "--size", "tiny", "--articles", "60"]
    done = CliRunner().invoke(app, [*words, "--end", "2026-11-23T09:00"])
    assert done.exit_code == 0, done.output
    assert "60 articles, 150 readers" in done.stdout
    assert "2026-11-23 09:00 UTC" in done.stdout
    assert pq.read_metadata(folder / "articles.parquet").num_rows == 60
    assert (folder / "truth" / "README.md").exists()


@pytest.mark.parametrize("wrong", [["--end", "soon"], ["--articles", "3"], ["--seed", "-1"]])
def test_wrong_values_are_named(tmp_path: Path, wrong: list[str]) -> None:
    done = CliRunner().invoke(app, ["sample", "generate", str(tmp_path), "--size", "tiny", *wrong])
    assert isinstance(done.exception, RecsysError)
    assert wrong[1] in str(done.exception)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("")
    done = CliRunner().invoke(app, ["sample", "generate", str(tmp_path / "net"), "--size", "tiny"])
    assert isinstance(done.exception, RecsysError)
    assert "net" in str(done.exception)
