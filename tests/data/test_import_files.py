"""Reading rows from files as people have them."""

import datetime
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.importers import files
from data.importers.files import BATCH
from data.importers.formats import Format
from recsys.errors import DataError

ROWS = [{"key": "1", "title": "One"}, {"key": "2", "title": "Zwei, «drei»"}]


def rows_of(path: Path, format: Format | None = None) -> list[dict]:
    return [row for batch in files.read(str(path), format) for row in batch.rows]


def write(path: Path, rows: list[dict]) -> Path:
    match path.suffix:
        case ".jsonl" | ".ndjson":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".csv":
            head = list(rows[0])
            cells = [",".join('"' + row[c] + '"' for c in head) for row in rows]
            path.write_text("\n".join([",".join(head), *cells]) + "\n", encoding="utf-8")
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.csv", "a.parquet", "A.CSV"])
def test_the_suffix_tells_the_format(tmp_path, name):
    written = write(tmp_path / name.lower(), ROWS).rename(tmp_path / name)
    assert rows_of(written) == ROWS


def test_an_unknown_suffix_asks_for_a_format(tmp_path):
    path = write(tmp_path / "a.jsonl", ROWS).rename(tmp_path / "a.log")
    with pytest.raises(DataError, match=r"a\.log.*--format"):
        rows_of(path)
    assert rows_of(path, Format.JSONL) == ROWS


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    (tmp_path / name).touch()
    assert rows_of(tmp_path / name) == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path, name):
    path = write(tmp_path / name, ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows_of(path) == ROWS


def test_a_broken_line_leaves_the_others(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"key": 1}\n\n{"key":\n[2]\n{"key": "\xff"}\n{"key": 3, "body": null}')
    (batch,) = files.read(str(path))
    assert (list(batch.rows), batch.lines) == ([{"key": 1}, {"key": 3}], [1, 6])
    assert [line for line, _, _ in batch.broken] == [3, 4, 5]
    assert "list" in batch.broken[1][1]


def test_a_line_beyond_reason_is_one_broken_line(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST_LINE", 100)
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"body": "x" * 450}) + '\n{"key": 1}\n')
    (batch,) = files.read(str(path))
    assert list(batch.rows) == [{"key": 1}]
    assert len(batch.broken) == 1


def test_csv_rows_are_told_by_line_and_empty_cells_are_absent(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('key,title,tags\n1,"two\nlines",a|b\n2,,\n3\n4,x,y,z\n', encoding="utf-8")
    (batch,) = files.read(str(path))
    assert list(batch.rows) == [
        {"key": "1", "title": "two\nlines", "tags": "a|b"},
        {"key": "2"},
        {"key": "3"},
    ]
    assert batch.lines == [3, 4, 5]
    assert batch.broken == [(6, "has 4 cells under 3 columns", "4,x,y,z")]


def test_csv_with_a_column_twice_or_an_open_quote_is_no_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("key,title,key\n1,2,3\n")
    with pytest.raises(DataError, match="'key' twice"):
        rows_of(path)
    path.write_text('key,title\n1,"open\n')
    with pytest.raises(DataError, match=r"a\.csv: line 2"):
        rows_of(path)


def test_parquet_values_arrive_as_python_ones(tmp_path):
    when = datetime.datetime(2026, 11, 23, 18, 0, 0, 999_999, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "key": pa.array([1, 2]),
            "ns": pa.array([when, None], pa.timestamp("ns", tz="Asia/Tokyo")),
            "naive": pa.array([when.replace(tzinfo=None)] * 2, pa.timestamp("us")),
            "tags": [["a", "b"], []],
            "site": pa.array(["x", "x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    at = int(when.timestamp())
    assert rows_of(tmp_path / "a.parquet") == [
        {"key": 1, "ns": at, "naive": at, "tags": ["a", "b"], "site": "x"},
        {"key": 2, "naive": at, "tags": [], "site": "x"},
    ]


@pytest.mark.parametrize("cut", [4, 40, -20])
def test_a_truncated_parquet_file_is_named(tmp_path, cut):
    path = write(tmp_path / "a.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"a\.parquet.*again"):
        rows_of(path)


def test_a_parquet_file_damaged_inside_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"key": [os.urandom(16).hex() for _ in range(5_000)]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    body = bytearray(path.read_bytes())
    body[100:400] = bytes(300)
    path.write_bytes(body)
    with pytest.raises(DataError, match=r"a\.parquet"):
        rows_of(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_batches_are_bounded_and_count_on(tmp_path, name):
    many = [{"key": str(i)} for i in range(2 * BATCH + 7)]
    batches = list(files.read(str(write(tmp_path / name, many))))
    assert max(map(len, batches)) <= BATCH
    assert [row for batch in batches for row in batch.rows] == many
    first = 2 if name.endswith("csv") else 1
    lines = [line for batch in batches for line in batch.lines]
    assert lines == list(range(first, len(many) + first))
    shares = [batch.done for batch in batches]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_standard_input_is_json_lines_unless_told(monkeypatch):
    for text, format in (('{"key": "1"}\n', None), ("key\n1\n", Format.CSV)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert rows_of(Path("-"), format) == [{"key": "1"}]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"PAR1")))
    with pytest.raises(DataError, match="standard input"):
        rows_of(Path("-"), Format.PARQUET)


def test_globs_stand_for_files_in_order(tmp_path):
    for name in ("b.csv", "a.csv", "c.jsonl", "deep/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    star = str(tmp_path / "*.csv")
    found = files.expand([star, str(tmp_path / "a.csv"), "-", str(tmp_path / "**" / "d.csv")])
    assert found == [
        str(tmp_path / "a.csv"),
        str(tmp_path / "b.csv"),
        "-",
        f"{tmp_path}/deep/d.csv",
    ]


def test_a_name_that_stands_for_no_file_is_told(tmp_path):
    (tmp_path / "odd[1].csv").touch()
    assert files.expand([str(tmp_path / "odd[1].csv")]) == [str(tmp_path / "odd[1].csv")]
    for name in ("none.csv", "*.csv2", ""):
        with pytest.raises(DataError, match="cannot read"):
            files.expand([f"{tmp_path}/{name}"])
