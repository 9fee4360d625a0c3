"""A cluster of two workers learns what one machine learns, and the bundle cannot tell which it was.

What only differs in the order of additions is equal; tastes begin elsewhere, so they are held to
what the gate of training holds a challenger to, and to how much two seeds of one machine differ.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import awaited

from data import lake
from data.importers import files
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import Size
from data.store import Snapshot, Store
from recsys import shelf
from recsys.answers import Answers
from recsys.arrays import Int32
from recsys.bundle import Bundle, open_bundle, write
from recsys.history import History
from recsys.policy import Policy
from recsys.replay import replay
from recsys.served import EngineSystem
from training.fit import learn_parts
from training.gate import Gate
from training.parts import Parts, assemble
from training.recipe import Recipe
from training.run import probe
from training.spark import engine, facts
from training.spark.facts import Facts
from training.spark.session import Cluster, has_java, opened
from training.spark.sources import Jdbc, Parquet
from training.standing import compared

DAY = 86_400
END = 1_760_000_000 // 3600 * 3600
CUT = END - 4 * DAY
RECIPE = Recipe(dims=16, factors=16, iterations=6, neighbours=20, rank_questions=0)
MASTER = "local-cluster[2,1,1024]"
"""Two workers with a core and 1,024 MB each, in processes of their own."""
SHORT = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss16m"
SETTINGS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # What pays with many rows costs most of the time with few: compiling, and planning anew.
    "spark.driver.extraJavaOptions": SHORT,
    "spark.executor.extraJavaOptions": SHORT,
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
}
JARS = (os.environ.get("RECSYS_POSTGRES_JAR", ""), "/usr/share/java/postgresql.jar")


def missing(what: str) -> None:
    if os.environ.get("RECSYS_REQUIRE_SPARK") == "1":
        pytest.fail(f"RECSYS_REQUIRE_SPARK=1, but {what}")
    pytest.skip(f"{what} (RECSYS_REQUIRE_SPARK=1 makes this a failure)")


@pytest.fixture(scope="module")
def jar() -> Path | None:
    """PostgreSQL's JDBC driver, None where there is none."""
    return next((Path(jar) for jar in JARS if jar and Path(jar).exists()), None)


@pytest.fixture(scope="module")
def spark(jar: Path | None) -> Iterator[Any]:
    """A session on a cluster of two workers."""
    if not find_spec("pyspark"):
        missing("PySpark is not installed: pip install 'recsys[spark]'")
    if not has_java():
        missing("there is no java: apt-get install openjdk-17-jre-headless")
    jars = {"spark.jars": str(jar)} if jar else {}
    patch = pytest.MonkeyPatch()
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    try:
        with opened(Cluster(MASTER, SETTINGS | jars)) as session:
            left = (
                Path(find_spec("pyspark").submodule_search_locations[0])
                / "work"
                / session.sparkContext.applicationId
            )
            yield session
        shutil.rmtree(left, ignore_errors=True)  # such a cluster's workers know no other place
    finally:
        patch.undo()


@dataclass(frozen=True)
class Network:
    """A sample network in a store, and landed."""

    folder: Path
    url: str
    lake: str

    def snapshot(self, until: int) -> Snapshot:
        with Store.open(self.url) as store:
            return store.snapshot(until)


def fill(store: Store, folder: Path) -> None:
    """Import what ``generate`` wrote."""
    for name, put in (("articles", import_articles), ("events", import_events)):
        path = str(folder / f"{name}.parquet")
        put(store, files.read(path, None), path, folder, END)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("network")
    generate(folder, Size(300, 400, 12_000), 3, END)
    url = f"sqlite:///{folder / 'recsys.db'}"
    with Store.open(url) as store:
        fill(store, folder)
        lake.export(store, (folder / "lake").as_uri())
    return Network(folder, url, (folder / "lake").as_uri())


@dataclass(frozen=True)
class Learned:
    """What was made of everything before the cut, by Spark and by this machine."""

    known: Facts
    parts: Parts
    snapshot: Snapshot
    local: Parts

    def bundle(self, parts: Parts) -> Bundle:
        return assemble(parts, self.snapshot.articles, self.snapshot.visitors, RECIPE, CUT)


@pytest.fixture(scope="module")
def learned(spark: Any, network: Network) -> Learned:
    known = facts.read(spark, Parquet(network.lake), CUT)
    found = network.snapshot(CUT)
    local = learn_parts(found.articles, found.visitors, found.interactions, RECIPE, CUT)
    return Learned(known, engine.learn_parts(known, RECIPE, CUT), found, local)


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Hold two sets of arrays to one another, but for the order in which floats were added."""
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        np.testing.assert_allclose(array, theirs[name], rtol=1e-5, atol=1e-30, err_msg=name)


def test_there_are_two_workers(spark):
    known = spark.sparkContext._jsc.sc().getExecutorMemoryStatus
    awaited(lambda: known().size() == 1 + 2)  # the driver is one of those


def test_articles_readers_and_events_have_the_rows_of_the_store(learned, network):
    sample = learned.known.sample(CUT)
    assert sample.articles == learned.snapshot.articles
    assert list(sample.visitors) == list(learned.snapshot.visitors)
    same(columns(sample), columns(learned.snapshot))
    assert sample.mark == learned.snapshot.mark


def columns(snapshot: Snapshot) -> dict[str, np.ndarray]:
    of = snapshot.interactions
    return {name: getattr(of, name) for name in of.__slots__}


def test_a_sample_knows_whole_readers_and_the_newest_articles(learned):
    some = learned.known.sample(CUT, events=len(learned.snapshot.interactions) // 3, articles=100)
    whole = learned.snapshot
    assert [article.id for article in some.articles] == [a.id for a in whole.articles[-100:]]
    assert 0 < len(some.visitors) < len(whole.visitors)
    on_these = whole.interactions[whole.interactions.article >= len(whole.articles) - 100]
    for name in list(some.visitors)[:20]:
        mine = some.interactions.visitor == some.visitors.row(name)
        theirs = on_these.visitor == whole.visitors.row(name)
        assert some.interactions.at[mine].tolist() == on_these.at[theirs].tolist()


def test_trends_are_equal(learned):
    same(learned.parts.trends.arrays(), learned.local.trends.arrays())


def test_what_is_read_together_is_equal(learned):
    same(learned.parts.coread.arrays(), learned.local.coread.arrays())


def test_reads_and_counts_are_equal(learned):
    ours, theirs = learned.parts, learned.local
    np.testing.assert_array_equal(ours.reads.start, theirs.reads.start)
    np.testing.assert_array_equal(ours.reads.rows, theirs.reads.rows)
    np.testing.assert_array_equal(ours.support, theirs.support)
    assert (ours.events, ours.opens) == (theirs.events, theirs.opens)


def test_texts_say_the_same_to_the_bit(learned):
    for name in ("vectors", "signatures", "judged"):
        np.testing.assert_array_equal(getattr(learned.parts, name), getattr(learned.local, name))
    words = ["Ferries at night in the harbour\nThe last ferry leaves at eleven."]
    ours, theirs = (of.embedder.embed(words) for of in (learned.parts, learned.local))
    np.testing.assert_array_equal(ours, theirs)


def test_tastes_rank_what_a_reader_has_read_above_what_nobody_showed(learned):
    tastes, reads = learned.parts.factors, learned.parts.reads
    assert np.isfinite(tastes.visitors).all()
    unread = np.flatnonzero(learned.parts.support == 0)
    assert not tastes.articles[unread].any()
    known = np.flatnonzero(np.diff(reads.start) > 3)
    scores = tastes.visitors[known] @ tastes.articles.T
    read = np.mean([row[reads.of(who)].mean() for row, who in zip(scores, known, strict=True)])
    assert read > 3 * scores[:, learned.parts.support > 0].mean()


@pytest.fixture(scope="module")
def history(network: Network) -> History:
    """What there is, with the days after the cut."""
    whole = network.snapshot(END)
    return History(whole.articles, whole.visitors, whole.interactions)


@pytest.fixture(scope="module")
def answered(learned: Learned, history: History) -> Callable[[Parts], Answers]:
    """What a bundle of some parts answers in the days after the cut."""

    def answers(parts: Parts) -> Answers:
        system = EngineSystem.of("engine", learned.bundle(parts), Policy(), history)
        return replay(system, history, cut=CUT, end=END, task="next click", k=10)

    return answers


def overlap(ours: Int32, theirs: Int32) -> float:
    """The share of the cards of a list that the other list has, too."""
    both = [len(set(a[a >= 0]) & set(b[b >= 0])) for a, b in zip(ours, theirs, strict=True)]
    return float(np.sum(both) / np.sum(theirs >= 0))


def test_answers_are_as_good_and_as_like_as_those_of_another_seed(learned, history, answered):
    ours, theirs = answered(learned.parts), answered(learned.local)
    assert len(ours.target) > 200
    for first, second in ((ours, theirs), (theirs, ours)):
        checks = list(compared(first, second, history, END, Gate()))
        assert [check.sentence for check in checks if not check.ok] == []
    assert overlap(ours.lists, theirs.lists) > 0.9


def test_the_bundle_is_whole(learned, tmp_path):
    bundle, local = (
        open_bundle(write(learned.bundle(parts), tmp_path))
        for parts in (learned.parts, learned.local)
    )
    probe(bundle)
    assert bundle.manifest.shapes == local.manifest.shapes


def test_a_store_in_postgresql_is_read_by_several_connections(
    spark, jar, network, learned, postgres_url
):
    if jar is None:
        missing("there is no JDBC driver: apt-get install libpostgresql-jdbc-java")
    url = postgres_url()
    with Store.open(url) as store:
        fill(store, network.folder)
        known = facts.read(spark, Jdbc(store, url, parts=2), CUT)
        sample = known.sample(CUT)
    assert sample.articles == learned.snapshot.articles
    assert list(sample.visitors) == list(learned.snapshot.visitors)
    same(columns(sample), columns(learned.snapshot))


def test_nothing_landed_makes_a_bundle_that_knows_nothing(spark, tmp_path):
    url = (tmp_path / "lake").as_uri()
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        lake.export(store, url)
    other = engine.SparkEngine(spark, Parquet(url))
    found = other.snapshot(END)
    history = History(found.articles, found.visitors, found.interactions)
    bundle = other.learn(history, RECIPE, END)
    assert (len(bundle.catalogue), len(bundle.visitors)) == (0, 0)


def test_the_command_trains_on_the_cluster_and_asks_the_gate(typed, network, tmp_path, spark):
    """It finds the session that is open already: Spark has one for each process."""
    (tmp_path / "recsys.db").write_bytes((network.folder / "recsys.db").read_bytes())
    config = tmp_path / "recsys.toml"
    config.write_text("[train]\ndims = 16\nfactors = 16\nrank_questions = 0\n")
    now = "2025-10-09T08:00:00Z"
    first = typed("train", "--now", now, "--json")
    assert first.code == 0, first.err
    words = ("--engine", "spark", "--source", network.folder / "lake", "--master", MASTER)
    told = json.loads(typed("train", *words, "--now", now, "--json").out)
    assert told["verdict"]["champion"] == json.loads(first.out)["id"]
    assert told["verdict"]["checks"]
    assert told["held"] is False
    assert shelf.current(tmp_path / "bundles") == told["id"]
