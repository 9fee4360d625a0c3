"""What Spark needs is told in one sentence, and nobody who does without it loads any of it."""

import subprocess
import sys

import pytest

from data.store import Store
from recsys.errors import ConfigError, LibraryMissing
from training.spark.session import Cluster, has_java, opened
from training.spark.sources import Jdbc


def test_without_pyspark_one_is_told_which_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)  # what an import of nothing does
    with pytest.raises(LibraryMissing, match=r"pip install 'recsys\[spark\]'"), opened(Cluster()):
        pass


def test_without_java_one_is_told_what_to_install(monkeypatch, tmp_path):
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(LibraryMissing, match="needs Java 17 or newer"), opened(Cluster()):
        pass


def test_a_java_home_counts(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert not has_java()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    assert has_java()


def test_a_store_in_sqlite_is_not_read_by_jdbc(tmp_path):
    url = f"sqlite:///{tmp_path / 'recsys.db'}"
    with Store.open(url) as store, pytest.raises(ConfigError, match="recsys export parquet DIR"):
        Jdbc(store, url).frames(None, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--master", "yarn"], "expected --engine spark"),
        (["--engine", "spark"], "cannot read a store in SQLite; land it"),
        (["--engine", "spark", "--source", "x", "--set", "memory=1"], "expected spark.NAME=VALUE"),
        (["--engine", "spark", "--source", "x", "--set", "spark.a"], "expected spark.NAME=VALUE"),
    ],
)
def test_what_does_not_fit_together_is_told_before_anything_starts(typed, words, said):
    told = typed("train", *words)
    assert told.code == 2
    assert said in told.err


def test_the_local_engine_loads_nothing_of_spark():
    code = (
        "import sys, cli.train, cli.trained, training.run, training.spark.engine,"
        " training.spark.session; sys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
