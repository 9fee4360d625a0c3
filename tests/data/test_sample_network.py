"""What the sample network must be for a demo and for tests of models that read it."""

import dataclasses
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli import setup
from data.sample import truth
from data.sample.generate import ARTICLES, EVENTS, generate
from data.sample.sites import SITE_IDS
from data.sample.sizes import SIZES, Size
from recsys.types import NEVER, Article, ArticleId, Event, Kind, Tone

END = 1_795_392_000
SIZE = Size(articles=1_200, readers=1_000, events=110_000)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("network")
    summary = generate(folder, SIZE, 7, END)
    known = truth.load(folder / "truth")
    events = pq.read_table(folder / "events.parquet")
    ids = known.article_rows()
    pairs = zip(events["site"].to_pylist(), events["key"].to_pylist(), strict=True)
    return SimpleNamespace(
        folder=folder,
        summary=summary,
        truth=known,
        articles=pq.read_table(folder / "articles.parquet"),
        events=events,
        kind=np.array(events["kind"].to_pylist()),
        at=events["at"].to_numpy(),
        row=np.array([ids[ArticleId(*pair)] for pair in pairs]),
    )


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def overlap(a: str, b: str) -> float:
    left, right = shingles(a), shingles(b)
    return len(left & right) / len(left | right)


def test_every_row_is_an_article(network: SimpleNamespace) -> None:
    assert network.articles.schema == ARTICLES
    ids = set()
    for row in network.articles.to_pylist():
        article = Article(
            **row | {"tags": tuple(row["tags"]), "authors": tuple(row["authors"])}
            | {"tone": Tone(row["tone"]), "expires": row["expires"] or NEVER}
        )  # fmt: skip
        ids.add(article.id)
        assert article.site in SITE_IDS
        assert article.title == article.title.strip() != ""
        assert article.url == f"/demo/{article.site}/{article.key}"
        assert END - 60 * 86_400 <= article.published < min(article.expires, END)
        assert "{" not in article.title + article.body
        assert "[" not in article.title + article.body
        if article.language == "en":
            assert 80 <= len(article.body.split()) <= 300
        assert not (article.sponsored and article.tone == Tone.GRAVE)
    assert len(ids) == SIZE.articles


def test_every_row_is_an_event(network: SimpleNamespace) -> None:
    assert network.events.schema == EVENTS
    for row in network.events.to_pylist():
        article = ArticleId(row.pop("site"), row.pop("key"))
        event = Event(article=article, **row | {"kind": Kind[row["kind"].upper()]})
        assert event.session
        assert (event.slate != "") == (event.position >= 0) == (event.seen_on in SITE_IDS)
        assert (event.dwell > 0) == (event.kind == Kind.READ)
    assert len(set(network.events["id"].to_pylist())) == len(network.events)
    assert abs(len(network.events) / SIZE.events - 1) < 0.2
    assert network.summary.events == len(network.events)


def test_events_are_in_order_and_within_the_lives_of_their_articles(
    network: SimpleNamespace,
) -> None:
    published = network.articles["published"].to_numpy()
    assert np.all(np.diff(network.at) >= 0)
    assert network.at[-1] < END
    assert np.all(network.at >= published[network.row])
    # an article may be left after it expired, but not opened or shown
    opened = np.isin(network.kind, ["click", "impression"])
    expires = network.articles["expires"].fill_null(NEVER).to_numpy()
    assert np.all(network.at[opened] < expires[network.row[opened]])


def test_a_click_in_the_box_was_shown_in_that_slot(network: SimpleNamespace) -> None:
    rows = network.events.select(["slate", "position", "key"]).to_pylist()
    placed = [tuple(row.values()) for row in rows]
    kinds = network.kind.tolist()
    shown = {p for p, kind in zip(placed, kinds, strict=True) if kind == "impression"}
    clicked = [p for p, kind in zip(placed, kinds, strict=True) if kind == "click" and p[0]]
    assert len(clicked) > 500
    assert set(clicked) <= shown
    assert max(Counter(clicked).values()) == 1


def test_titles_are_varied(network: SimpleNamespace) -> None:
    titles = Counter(network.articles["title"].to_pylist())
    assert sum(titles.values()) - len(titles) <= 0.01 * SIZE.articles


def test_wire_copies_repeat_most_of_their_original_and_others_do_not(
    network: SimpleNamespace,
) -> None:
    rows = network.truth.article_rows()
    bodies, titles = (network.articles[name].to_pylist() for name in ("body", "title"))
    copies = network.truth.copies.to_pylist()
    assert {copy["kind"] for copy in copies} == {"wire", "update"}
    for copy in copies:
        a = rows[ArticleId(copy["site"], copy["key"])]
        b = rows[ArticleId(copy["original_site"], copy["original_key"])]
        assert overlap(bodies[a], bodies[b]) > 0.6
        assert titles[a] != titles[b]
        assert (copy["kind"] == "wire") == (copy["site"] != copy["original_site"])
    rng = np.random.default_rng(0)
    genre = np.array(network.truth.articles["genre"].to_pylist())
    related = set(network.truth.copies["key"].to_pylist())
    keys = network.articles["key"].to_pylist()
    for name in set(genre):
        alike = [row for row in np.flatnonzero(genre == name) if keys[row] not in related]
        for a, b in rng.choice(alike, (20, 2)):
            assert a == b or overlap(bodies[a], bodies[b]) < 0.5


def test_the_position_bias_shows_in_the_click_rates(network: SimpleNamespace) -> None:
    slot = network.events["position"].to_numpy()
    shown = np.bincount(slot[network.kind == "impression"], minlength=6)
    clicked = np.bincount(slot[(network.kind == "click") & (slot >= 0)], minlength=6)
    rate = clicked / shown
    expected = network.truth.position_bias / network.truth.position_bias[0]
    error = np.sqrt(1 / clicked + 1 / clicked[0]) * expected
    assert np.all(np.abs(rate / rate[0] - expected) < 4 * error)


def test_each_order_of_a_slate_is_as_likely_as_the_log_says(network: SimpleNamespace) -> None:
    numbers = {name: row for row, name in enumerate(network.truth.slates["slate"].to_pylist())}
    names = network.events["slate"].to_pylist()
    slot = network.events["position"].to_numpy()
    chance = network.events["propensity"].to_numpy()
    boxed = slot >= 0
    assert np.all(chance[~boxed] == 1.0)
    shown = np.flatnonzero(network.kind == "impression")
    slate = np.array([numbers[names[row]] for row in shown])
    size = np.bincount(slate)
    whole = np.array([size[numbers[names[row]]] for row in np.flatnonzero(boxed)])
    assert chance[boxed] == pytest.approx(1.0 / whole)
    # Of the subject of the page there are few articles, which are offered more than once.
    subject = np.array(network.truth.articles["thing"].to_pylist())
    page = network.truth.slates["page"].to_numpy()
    own = subject[network.row[shown]] == subject[page[slate]]
    cards = size[slate][own]
    off = np.sum(slot[shown][own] - (cards - 1) / 2)
    assert abs(off) < 3 * np.sqrt(np.sum((cards**2 - 1) / 12))


def test_cards_are_clicked_as_often_as_their_truth_says(network: SimpleNamespace) -> None:
    numbers = {name: row for row, name in enumerate(network.truth.slates["slate"].to_pylist())}
    slate = np.array([numbers.get(name, -1) for name in network.events["slate"].to_pylist()])
    slot = network.events["position"].to_numpy()
    cards = np.stack([slate, slot, network.row], axis=1)
    shown = cards[network.kind == "impression"]
    assert set(numbers.values()) == set(shown[:, 0])
    clicks = set(map(tuple, cards[(network.kind == "click") & (slot >= 0)].tolist()))
    clicked = np.array([card in clicks for card in map(tuple, shown.tolist())])
    drawn = network.truth.attraction(shown[:, 0], shown[:, 2:])[:, 0]
    chance = network.truth.position_bias[shown[:, 1]] * drawn
    for part in np.array_split(np.argsort(chance), 10):
        error = np.sqrt(np.sum(chance[part] * (1 - chance[part])))
        assert abs(clicked[part].sum() - chance[part].sum()) < 4 * error
    assert chance.max() > 20 * chance.min()


def test_readers_read_what_they_like_and_stay_longer(network: SimpleNamespace) -> None:
    visitors = network.events["visitor"].to_pylist()
    known = (network.kind == "read") & np.array([v != "" for v in visitors])
    reader = np.array([int(visitors[i].removeprefix("reader-")) for i in np.flatnonzero(known)])
    article = network.row[known]
    liked = network.truth.affinity(reader, article)
    other = network.truth.affinity(np.random.default_rng(1).permutation(reader), article)
    assert liked.mean() > 2 * other.mean()
    dwell = network.events["dwell"].to_numpy()[known]
    assert np.corrcoef(np.log(liked + 0.02), np.log(dwell))[0, 1] > 0.4


def test_readers_without_consent_are_nobody(network: SimpleNamespace) -> None:
    readers = network.truth.readers
    agreed = set(readers.filter(readers["consent"])["visitor"].to_pylist())
    seen = Counter(network.events["visitor"].to_pylist())
    assert seen.pop("") > 0
    assert set(seen) <= agreed


def test_the_next_article_follows_from_the_present_one(network: SimpleNamespace) -> None:
    things = np.array(network.truth.articles["thing"].to_pylist())
    session = np.array(network.events["session"].to_pylist())
    opened = np.flatnonzero(network.kind == "click")
    opened = opened[np.lexsort((opened, session[opened]))]
    now, after = opened[:-1], opened[1:]
    same = session[now] == session[after]
    now, after = network.row[now[same]], network.row[after[same]]
    chance = np.random.default_rng(2).permutation(after)
    follows = (things[now] == things[after]).mean()
    assert follows > 5 * (things[now] == things[chance]).mean()


def test_news_cycles_rise_and_die(network: SimpleNamespace) -> None:
    rows = network.truth.article_rows()
    opened = network.kind == "click"
    during = after = 0
    for trend in network.truth.trends.to_pylist():
        assert trend["start"] < trend["peak"] < trend["death"]
        told = [rows[ArticleId(*id)] for id in zip(trend["sites"], trend["keys"], strict=True)]
        if trend["death"] + 5 * 86_400 > END:
            continue
        at = network.at[opened & np.isin(network.row, told)]
        during += int(np.sum(at <= trend["death"]))
        after += int(np.sum(at > trend["death"] + 86_400))
    assert during > 500
    assert after < 0.1 * during


def test_grave_articles_are_listed(network: SimpleNamespace) -> None:
    listed = set(network.truth.grave["key"].to_pylist())
    tones = zip(
        network.articles["key"].to_pylist(), network.articles["tone"].to_pylist(), strict=True
    )
    assert listed == {key for key, tone in tones if tone == "grave"} != set()


def test_the_same_seed_gives_the_same_rows_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, SIZES["tiny"], seed, END)

    def tables(name: str) -> list[pa.Table]:
        return [pq.read_table(path) for path in sorted((tmp_path / name).rglob("*.parquet"))]

    assert tables("a") == tables("b")
    assert tables("a") != tables("c")
    assert truth.load(tmp_path / "a/truth").reader_tastes.tobytes() == (
        truth.load(tmp_path / "b/truth").reader_tastes.tobytes()
    )


def test_the_configuration_names_the_five_sites(network: SimpleNamespace) -> None:
    loaded = setup.load(network.folder / "recsys.toml", network.folder)
    assert tuple(loaded.sites) == SITE_IDS
    assert all(site.name and site.url for site in loaded.sites.values())


def test_progress_is_reported_to_the_end(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}

    def note(stage: str, done: int, total: int) -> None:
        assert seen.get(stage, (0, 0))[0] <= done <= total
        seen[stage] = (done, total)

    generate(tmp_path, SIZES["tiny"], 1, END, note)
    assert seen == {"articles": (200, 200), "events": (5_000, 5_000)}


@pytest.mark.parametrize("wrong", [{"articles": 0}, {"readers": 1}, {"events": -1}])
def test_an_impossible_size_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        generate(tmp_path, dataclasses.replace(SIZES["tiny"], **wrong), 1, END)


def test_a_long_history_is_written_in_many_row_groups(tmp_path: Path) -> None:
    generate(tmp_path, Size(articles=300, readers=500, events=300_000), 1, END)
    parquet = pq.ParquetFile(tmp_path / "events.parquet")
    assert parquet.num_row_groups >= 2
    sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
    assert max(sizes) < 150_000
