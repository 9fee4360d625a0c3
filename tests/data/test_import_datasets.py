"""Public data sets as they were published: real ones where present, hand-written ones always."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.importers import run
from data.importers.datasets import DATASETS
from data.importers.globo import Facts, load_globo
from data.importers.run import Summary
from data.store import Counts, Mark, Snapshot, Store
from recsys.errors import DataError
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_800_000_000
PUBLISHED = Path(__file__).parent / "published"
SHARED = Path(os.environ.get("RECSYS_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


def import_(store: Store, name: str, directory: Path, var: Path) -> tuple[Summary, Summary]:
    articles, events = DATASETS[name](directory)
    return (
        run.import_articles(store, articles, name, var, NOW),
        run.import_events(store, events, name, var, NOW),
    )


def kept(store: Store) -> tuple[dict[str, Article], list[Event]]:
    changes = store.changes(Mark())
    return {a.key: a for a in changes.articles}, [event for _, event in changes.events]


# --- MIND


def test_mind_impressions_become_impressions_and_clicks(store, tmp_path):
    import_(store, "mind", PUBLISHED / "mind", tmp_path)
    _, events = kept(store)
    first = [e for e in events if e.slate == "1"]
    assert [(e.kind, e.article.key, e.position) for e in first] == [
        (Kind.IMPRESSION, "N2", 0),
        (Kind.CLICK, "N2", 0),
        (Kind.IMPRESSION, "N4", 1),
    ]
    assert {(e.visitor, e.at, e.seen_on) for e in first} == {("U1", 1_573_634_217, "mind")}


def test_a_mind_history_is_read_once_just_before_the_first_impression(store, tmp_path):
    import_(store, "mind", PUBLISHED / "mind", tmp_path)
    _, events = kept(store)
    # The reader's first impression in time stands in the third line.
    began = min(e.at for e in events if e.visitor == "U1" and e.slate)
    history = [(e.article.key, e.at, e.kind) for e in events if e.visitor == "U1" and not e.slate]
    assert history == [("N1", began - 2, Kind.CLICK), ("N3", began - 1, Kind.CLICK)]


def test_no_mind_article_is_published_after_anyone_saw_it(store, tmp_path):
    import_(store, "mind", PUBLISHED / "mind", tmp_path)
    articles, events = kept(store)
    for key, article in articles.items():
        assert article.published == min(e.at for e in events if e.article.key == key)
    assert articles["N1"].body == "A quiet night."
    assert articles["N3"].tags == ("rail",)
    assert articles["N4"].url == "/mind/N4"


def test_broken_mind_lines_are_rejected_by_file_and_line(store, tmp_path):
    articles, events = import_(store, "mind", PUBLISHED / "mind", tmp_path)
    assert (articles.articles, articles.rejected) == (Counts(new=4), 1)
    assert (events.events, events.rejected) == (Counts(new=9), 1)
    assert articles.rejects is not None
    assert events.rejects is not None
    assert '"file": "news.tsv", "line": 5' in articles.rejects.read_text()
    assert '"file": "behaviors.tsv", "line": 4' in events.rejects.read_text()


def test_mind_without_one_of_its_files_is_an_error(store, tmp_path):
    with pytest.raises(DataError, match=r"news\.tsv"):
        import_(store, "mind", tmp_path, tmp_path)


# --- Adressa


def test_adressa_events_become_reads_with_their_dwell(store, tmp_path):
    articles, events = import_(store, "adressa", PUBLISHED / "adressa", tmp_path)
    assert (articles.articles, events.events) == (Counts(new=2), Counts(new=3))
    _, found = kept(store)
    read = found[0]
    assert (read.kind, read.article, read.at) == (
        Kind.READ,
        ArticleId("adressa", "a1"),
        1_483_225_260,
    )
    assert (read.visitor, read.dwell) == ("cx:aa", 42)
    assert read.context == ("device:desktop", "os:windows", "region:sor-trondelag")
    assert found[1].dwell == 0


def test_adressa_sessions_begin_where_the_log_says(store, tmp_path):
    import_(store, "adressa", PUBLISHED / "adressa", tmp_path)
    _, events = kept(store)
    # The front page, which is no article, began the first one.
    assert [e.session for e in events] == [
        "cx:aa/1483225200",
        "cx:bb/1483228800",
        "cx:aa/1483311600",
    ]


def test_an_adressa_article_is_no_younger_than_its_first_read(store, tmp_path):
    import_(store, "adressa", PUBLISHED / "adressa", tmp_path)
    articles, _ = kept(store)
    assert articles["a1"] == Article(
        site="adressa",
        key="a1",
        url="http://adressa.example/nyheter/a1.ece",
        title="Ferga er innstilt",
        published=1_483_215_300,
        section="nyheter",
        tags=("ferge", "vær"),
        authors=("kari nordmann", "ola nordmann"),
        language="no",
    )
    # Its publishtime is noon, but it was read at midnight.
    assert articles["b2"].published == 1_483_228_800


def test_a_broken_adressa_line_is_rejected_once(store, tmp_path):
    articles, events = import_(store, "adressa", PUBLISHED / "adressa", tmp_path)
    assert (articles.rejected, events.rejected) == (0, 1)
    assert events.rejects is not None
    assert '"file": "20170102", "line": 2' in events.rejects.read_text()


def test_adressa_needs_a_directory_with_files(store, tmp_path):
    for directory in (tmp_path / "none", PUBLISHED / "mind" / "news.tsv"):
        with pytest.raises(DataError, match="cannot read"):
            import_(store, "adressa", directory, tmp_path)


# --- Globo

CLICKS = [
    # user, session, article, ms, os, region, referrer
    (59, 900, 12, 1_507_000_000_026, 2, 21, 1),
    (79, 901, 5, 1_507_000_000_900, 17, 3, 7),
    (59, 900, 7, 1_507_000_060_000, 2, 21, 1),
    (79, 901, 12, 1_507_000_060_999, 17, 3, 7),
    (12, 902, 5, 1_507_000_100_000, 2, 21, 1),
]


@pytest.fixture
def globo(tmp_path: Path) -> Path:
    """Five clicks, and a ``session_size`` that would break whoever reads it as a number."""
    user, session, article, at, os_, region, referrer = zip(*CLICKS, strict=True)
    table = pa.table(
        {
            "user_id": pa.array(user, pa.int32()),
            "session_id": pa.array(session, pa.int64()),
            "session_size": ["secret"] * len(CLICKS),
            "click_article_id": pa.array(article, pa.int32()),
            "click_timestamp": pa.array(at, pa.int64()),
            "click_os": pa.array(os_, pa.int8()),
            "click_region": pa.array(region, pa.int8()),
            "click_referrer_type": pa.array(referrer, pa.int8()),
        }
    )
    (tmp_path / "globo").mkdir()
    pq.write_table(table, tmp_path / "globo" / "clicks.parquet", row_group_size=2)
    return tmp_path / "globo"


def test_globo_clicks_keep_reader_session_and_circumstances(store, globo, tmp_path):
    articles, events = import_(store, "globo", globo, tmp_path)
    assert (articles.articles, events.events) == (Counts(new=3), Counts(new=5))
    known, found = kept(store)
    assert known["12"] == Article("globo", "12", "/globo/12", "Article 12", 1_507_000_001)
    second = found[1]
    assert (second.visitor, second.session, second.at) == ("79", "901", 1_507_000_000)
    assert second.kind is Kind.CLICK
    assert second.context == ("referrer:7", "region:3", "os:17")


def test_globo_twice_changes_nothing(store, globo, tmp_path):
    import_(store, "globo", globo, tmp_path)
    articles, events = import_(store, "globo", globo, tmp_path)
    assert (articles.articles, events.events) == (Counts(same=3), Counts(same=5))


def clicks(snapshot: Snapshot | Facts) -> list[tuple]:
    table = snapshot.interactions
    return [
        (snapshot.visitors[v], snapshot.articles[a], at)
        for v, a, at in zip(table.visitor, table.article, table.at, strict=True)
    ]


def test_the_evaluators_facts_are_those_of_the_store(store, globo, tmp_path):
    import_(store, "globo", globo, tmp_path)
    facts, snapshot = load_globo(globo, NOW), store.snapshot(NOW)
    assert facts.articles == snapshot.articles
    assert clicks(facts) == clicks(snapshot)
    sessions = [0, 1, 0, 1, 2]
    assert np.unique(facts.interactions.session, return_inverse=True)[1].tolist() == sessions
    _, events = kept(store)
    assert [facts.contexts[row] for row in facts.context] == [e.context for e in events]


def test_the_evaluators_facts_end_before_the_moment(globo):
    facts = load_globo(globo, 1_507_000_060)
    assert facts.interactions.at.tolist() == [1_507_000_000, 1_507_000_000]
    assert [(a.key, a.published) for a in facts.articles] == [
        ("12", 1_507_000_001),
        ("5", 1_507_000_001),
    ]
    assert list(facts.visitors) == ["59", "79"]
    nothing = load_globo(globo, 0)
    assert (nothing.articles, len(nothing.interactions), len(nothing.visitors)) == ([], 0, 0)


def test_globo_lacking_a_column_or_its_file_is_told(store, tmp_path):
    with pytest.raises(DataError, match=r"clicks\.parquet: there is no such file"):
        load_globo(tmp_path, NOW)
    pq.write_table(pa.table({"user_id": [1]}), tmp_path / "clicks.parquet")
    with pytest.raises(DataError, match="'session_id' is missing"):
        load_globo(tmp_path, NOW)
    with pytest.raises(DataError, match="'click_article_id' is missing"):
        import_(store, "globo", tmp_path, tmp_path)


@pytest.mark.skipif(not (SHARED / "globo").exists(), reason=f"no Globo clicks in {SHARED}")
def test_the_real_globo_clicks_load_whole():
    facts = load_globo(SHARED / "globo", 1_507_690_800)
    assert len(facts.interactions) > 1_900_000
    assert facts.interactions.at[-1] < 1_507_690_800
    published = [a.published for a in facts.articles]
    assert published == sorted(published)
    first = np.full(len(facts.articles), np.iinfo(np.int64).max)
    np.minimum.at(first, facts.interactions.article, facts.interactions.at)
    assert (first + 1).tolist() == published


# --- BBC


@pytest.mark.skipif(not (SHARED / "bbc").exists(), reason=f"no BBC articles in {SHARED}")
def test_the_real_bbc_articles_become_five_sites(store, tmp_path):
    articles, events = import_(store, "bbc", SHARED / "bbc", tmp_path)
    assert (articles.articles, articles.rejected, events.read) == (Counts(new=2_225), 0, 0)
    again, _ = import_(store, "bbc", SHARED / "bbc", tmp_path)
    assert again.articles == Counts(same=2_225)
    assert len(store.latest("bbc-sport", 1_000)) == 511


def test_bbc_sections_publish_side_by_side(store, tmp_path):
    rows = [
        {"key": f"{section}/{n:03}", "section": section, "title": f"T{n}", "body": "One\n\nTwo"}
        for section in ("business", "tech")
        for n in (1, 2)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "articles.parquet")
    import_(store, "bbc", tmp_path, tmp_path)
    known, _ = kept(store)
    assert {a.site for a in known.values()} == {"bbc-business", "bbc-tech"}
    assert known["business/002"].published == known["tech/002"].published
    assert known["tech/002"].published - known["tech/001"].published == 3_600
    assert (known["tech/001"].body, known["tech/001"].url) == ("One\n\nTwo", "/bbc/tech/001")
