"""A bundle comes back as it was written, or is refused with the reason."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys import factors, manifest
from recsys.bundle import Bundle, Manifest, Reads, cards_of, open_bundle, verify, write
from recsys.embed import TfidfSvd, text_of
from recsys.errors import BundleCorrupt, BundleError, BundleIncompatible, BundleMissing
from recsys.ids import Vocabulary
from recsys.index import ArticleIndex
from recsys.stories import group, signatures
from recsys.tables import Catalogue
from recsys.trending import Trends
from recsys.types import Article, Card, Tone

ARTICLES = [
    Article(
        site=f"site{n % 2}",
        key=f"2017/{n}",
        url=f"https://site{n % 2}.example/{n}",
        title=f"Title {n} 京都",
        published=1_500_000_000 + n,
        body=f"harbour town number {n} " * 5,
        section=("news", "style")[n % 2],
        language="en",
        tone=Tone.GRAVE if n == 3 else Tone.UNKNOWN,
        sponsored=n == 4,
    )
    for n in range(12)
]


def make(flat_limit: int = 50_000, created: int = 1_507_690_800) -> Bundle:
    texts = [text_of(a) for a in ARTICLES]
    embedder = TfidfSvd.fit(texts, dims=8)
    vectors = embedder.embed(texts)
    index = ArticleIndex.build(vectors, flat_limit)
    related, scores = index.neighbours(4)
    marks = signatures(texts)
    reads = sparse.csr_matrix(np.eye(3, len(ARTICLES), dtype=np.float32))
    trends = Trends(len(ARTICLES), created)
    trends.voices.add(np.array([1, 5], np.int32), np.array([created - 60, created], np.int64))
    return dataclasses.replace(
        Bundle.empty(),
        manifest=Manifest(created=created, data_until=created, metrics={"events": 3.0}),
        catalogue=Catalogue.of(ARTICLES, group(marks, related)),
        cards=cards_of(ARTICLES),
        visitors=Vocabulary(["ann", "bob", "cy"]),
        vectors=vectors,
        signatures=marks,
        embedder=embedder,
        factors=factors.fit(reads, factors=4),
        cold_map=np.ones((9, 4), np.float32),
        index=index,
        related=related,
        related_scores=scores,
        reads=Reads(np.array([0, 2, 2, 3], np.int64), np.array([5, 1, 7], np.int32)),
        trends=trends,
        judged=np.arange(len(ARTICLES), dtype=np.int8) % 4,
    )


@pytest.fixture(scope="module", params=[50_000, 0], ids=["exact", "cells"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(make(request.param), tmp_path_factory.mktemp("bundles"))


def test_what_is_opened_is_what_was_written(folder):
    made = make(0 if (folder / "graph.faiss").exists() else 50_000)
    opened = open_bundle(folder)
    for name in ("vectors", "signatures", "cold_map", "related", "related_scores", "judged"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(made, name))
    for name in ("visitors", "articles", "gram"):
        np.testing.assert_array_equal(getattr(opened.factors, name), getattr(made.factors, name))
    assert opened.factors.alpha == made.factors.alpha
    assert list(opened.catalogue.ids) == [str(a.id) for a in ARTICLES]
    assert list(opened.catalogue.sections) == ["news", "style"]
    assert opened.catalogue.tone.tolist() == made.catalogue.tone.tolist()
    assert list(opened.visitors) == ["ann", "bob", "cy"]
    assert opened.card(3) == Card.of(ARTICLES[3])
    np.testing.assert_array_equal(opened.embedder.embed(["town"]), made.embedder.embed(["town"]))
    np.testing.assert_array_equal(
        opened.index.search(made.vectors, 3)[0], made.index.search(made.vectors, 3)[0]
    )
    now = opened.manifest.created
    np.testing.assert_array_equal(opened.trends.counts(now), made.trends.counts(now))


def test_each_readers_reads_oldest_first(folder):
    reads = open_bundle(folder).reads
    assert [reads.of(visitor).tolist() for visitor in (0, 1, 2, -1, 99)] == [
        [5, 1],
        [],
        [7],
        [],
        [],
    ]


def test_arrays_are_mapped_and_nobody_can_change_them_for_others(folder):
    opened, other = open_bundle(folder), open_bundle(folder)
    before = float(other.vectors[0, 0])
    opened.vectors[0, 0] = before + 1
    assert other.vectors[0, 0] == open_bundle(folder).vectors[0, 0] == before
    assert verify(folder).id == folder.name


def test_an_empty_bundle_is_a_bundle(tmp_path):
    opened = open_bundle(write(Bundle.empty(), tmp_path))
    assert len(opened.catalogue) == len(opened.visitors) == 0
    assert opened.embedder.embed(["x"]).shape == (1, 64)
    assert opened.index.search(np.ones((1, 64), np.float32), 3)[0].tolist() == [[-1, -1, -1]]


def test_the_same_content_is_the_same_bundle_and_is_written_once(tmp_path):
    first = write(make(), tmp_path)
    before = first.stat().st_mtime_ns
    assert write(make(), tmp_path) == first
    assert first.stat().st_mtime_ns == before
    assert first.name.startswith("20171011T030000Z-")
    other = dataclasses.replace(make(), cold_map=np.zeros((9, 4), np.float32))
    assert write(other, tmp_path) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_bundle_is_written_anew(tmp_path):
    folder = write(make(), tmp_path)
    (folder / "vectors.npy").write_bytes(b"")
    assert write(make(), tmp_path) == folder
    assert verify(folder).id == folder.name
    assert list(tmp_path.iterdir()) == [folder]


def files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path.name != manifest.CHECKED)


@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found(folder, data):
    path = data.draw(st.sampled_from(files(folder)))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
    try:
        with pytest.raises(BundleError):
            verify(folder)
    finally:
        path.write_bytes(content)
    assert verify(folder).id == folder.name


@given(data=st.data())
def test_a_bit_that_flips_after_a_bundle_was_found_sound_is_found_all_the_same(folder, data):
    now = int(time.time())
    manifest.verify_once(folder, now)
    path = data.draw(st.sampled_from(files(folder)))
    content, times = path.read_bytes(), path.stat()
    at = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        with pytest.raises(BundleError):
            manifest.verify_once(folder, now)
    finally:
        path.write_bytes(content)
    assert manifest.verify_once(folder, now).id == folder.name


def test_a_bundle_that_was_found_sound_is_not_read_again_until_a_day_has_passed(tmp_path):
    folder = write(make(), tmp_path)
    now = int(time.time())
    with (folder / "vectors.npy").open("r+b") as file:
        file.write(b"X")  # as a disk would that rots: the file's times are those of the note
    time.sleep(0.05)
    manifest.vouch(folder, manifest.marks(folder, manifest.read(folder)))
    assert manifest.verify_once(folder, now).id == folder.name
    for later in (now + manifest.TRUSTED + 10, now - manifest.TRUSTED - 10):
        with pytest.raises(BundleCorrupt, match=r"vectors\.npy differs"):
            manifest.verify_once(folder, later)
    (folder / "stray").touch()
    with pytest.raises(BundleCorrupt, match="stray"):
        manifest.verify_once(folder, now)


@pytest.mark.parametrize("note", [None, b"", b"[]", b"{}", b'{"vectors.npy": []}'])
def test_a_note_that_says_nothing_is_not_believed(tmp_path, note):
    folder = write(make(), tmp_path)
    (folder / "vectors.npy").write_bytes(bytes(len((folder / "vectors.npy").read_bytes())))
    (folder / manifest.CHECKED).unlink()
    if note is not None:
        (folder / manifest.CHECKED).write_bytes(note)
    with pytest.raises(BundleCorrupt, match=r"vectors\.npy differs"):
        manifest.verify_once(folder, int(time.time()))


def break_off(folder: Path) -> None:
    path = folder / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-1])


def remove(folder: Path) -> None:
    (folder / "embedder" / "terms.json").unlink()


def link(folder: Path) -> None:
    path = folder / "cold_map.npy"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


def rename(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"20171011T", b"20171012T"))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (break_off, r"vectors\.npy has \d+ bytes, expected"),
        (remove, r"embedder/terms\.json is missing"),
        (lambda f: (f / "stray.npy").touch(), r"stray\.npy does not belong"),
        (lambda f: (f / "embedder" / "stray").touch(), "embedder/stray does not belong"),
        (link, r"cold_map\.npy differs"),
        (rename, "its own checksum"),
        (lambda f: (f / "manifest.json").write_text("[]"), "not a manifest"),
    ],
)
def test_damage_is_named_and_the_next_step_told(tmp_path, harm: Callable, reason: str):
    folder = write(make(), tmp_path)
    harm(folder)
    with pytest.raises(BundleCorrupt, match=reason) as caught:
        verify(folder)
    assert "recsys bundles rollback" in str(caught.value)


@pytest.mark.parametrize("harm", [break_off, remove])
def test_opening_checks_sizes(tmp_path, harm: Callable):
    folder = write(make(), tmp_path)
    harm(folder)
    with pytest.raises(BundleCorrupt):
        open_bundle(folder)


def test_opening_refuses_arrays_that_do_not_fit_together(tmp_path):
    crooked = dataclasses.replace(make(), reads=Reads(np.zeros(4, np.int64), np.zeros(9, np.int32)))
    folder = write(crooked, tmp_path)
    stated = manifest.read(folder)
    wrong = dataclasses.replace(stated, shapes={**stated.shapes, "reads": 3})
    (folder / "manifest.json").write_bytes(wrong.dump())
    with pytest.raises(BundleCorrupt, match="shapes"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a/b/c", ".hidden", ""])
def test_a_manifest_that_names_files_elsewhere_is_refused(tmp_path, name: str):
    folder = write(make(), tmp_path)
    stated = manifest.read(folder)
    wrong = dataclasses.replace(stated, files={**stated.files, name: manifest.File(1, "0" * 64)})
    (folder / "manifest.json").write_bytes(wrong.dump())
    with pytest.raises(BundleCorrupt, match="outside of the bundle"):
        open_bundle(folder)


def test_a_bundle_of_the_format_before_is_read_and_knows_neither_recipe_nor_verdict(tmp_path):
    made = dataclasses.replace(make(), manifest=Manifest(format=3, created=5, recipe={"dims": 8}))
    folder = write(made, tmp_path)
    values = json.loads((folder / "manifest.json").read_bytes())
    assert list(values) == [
        *("format", "id", "created", "data_until", "mark", "config_hash", "code_version"),
        *("parent", "embedder", "shapes", "metrics", "files", "sha256"),
    ]
    stated = verify(folder)
    assert (stated.format, stated.recipe, stated.verdict) == (3, {}, {})
    assert stated.judged == "not judged"
    np.testing.assert_array_equal(open_bundle(folder).vectors, made.vectors)


def before_format_5(folder: Path) -> Path:
    """Make of a bundle what format 4 wrote: ids were in one table, and joined when it was read."""
    stated = manifest.read(folder)
    for part in ("ids", "visitors", "urls"):
        for file in folder.glob(f"{part}.*.npy"):
            file.unlink()
    ids = pa.table({"id": pa.array(["ann", "bob", "cy"], pa.string())})
    path = str(folder / "visitors.arrow")
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, ids.schema) as writer:
        writer.write_table(ids)
    described = {name: manifest.describe(path) for name, path in manifest.walk(folder).items()}
    sealed = dataclasses.replace(stated, format=4).sealed(described)
    (folder / "manifest.json").write_bytes(sealed.dump())
    return folder.rename(folder.parent / sealed.id)


def test_a_bundle_of_format_4_is_read_and_written_anew(tmp_path):
    folder = before_format_5(write(make(), tmp_path))
    assert verify(folder).format == 4
    opened = open_bundle(folder)
    assert opened.manifest.recipe == {}
    assert list(opened.catalogue.ids) == [str(a.id) for a in ARTICLES]
    assert list(opened.visitors) == ["ann", "bob", "cy"]
    assert opened.find_url(ARTICLES[4].url) == 4
    current = dataclasses.replace(opened.manifest, format=manifest.FORMAT)
    again = open_bundle(write(dataclasses.replace(opened, manifest=current), tmp_path))
    assert list(again.catalogue.ids) == list(opened.catalogue.ids)
    assert again.find_url(ARTICLES[4].url) == 4


def test_an_article_is_found_by_id_and_by_address(folder):
    opened = open_bundle(folder)
    for row, article in enumerate(ARTICLES):
        assert opened.catalogue.ids.row(str(article.id)) == row
        assert opened.find_url(article.url) == row
    assert opened.find_url("https://site0.example/nowhere") == -1
    assert opened.find_url("\ud800") == -1
    assert opened.catalogue.ids.row("site0/nowhere") == opened.visitors.row("eve") == -1


def test_of_two_articles_at_one_address_the_first_is_found(tmp_path):
    twice = [dataclasses.replace(a, url=ARTICLES[5].url) for a in ARTICLES]
    made = dataclasses.replace(make(), cards=cards_of(twice))
    opened = open_bundle(write(made, tmp_path))
    assert opened.find_url(ARTICLES[5].url) == made.find_url(ARTICLES[5].url) == 0


def test_a_bundle_of_a_later_format_says_what_to_do(tmp_path):
    folder = write(make(), tmp_path)
    values = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(BundleIncompatible, match=r"format 99.*recsys train"):
        open_bundle(folder)


def test_no_bundle_at_all(tmp_path):
    with pytest.raises(BundleMissing, match="recsys bundles list"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BundleMissing):
        verify(tmp_path)


def test_a_bundle_under_another_name_is_refused(tmp_path):
    folder = write(make(), tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(BundleCorrupt, match=folder.name):
        verify(tmp_path / "copy")


@pytest.mark.parametrize("at", [0, -1, -86_400 * 365, 253_402_300_799])
def test_any_time_makes_a_name(tmp_path, at: int):
    assert (
        open_bundle(
            write(dataclasses.replace(Bundle.empty(), manifest=Manifest(created=at)), tmp_path)
        ).manifest.created
        == at
    )
