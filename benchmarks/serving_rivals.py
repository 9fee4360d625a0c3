"""Answers pages with what users pick instead: full text and vectors in PostgreSQL, and Tantivy.

Each gets the same articles, is asked by a bare Flask view for the cards of six others, and keeps a
connection for each thread. None filters, mixes, explores, counts or signs as ours does.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

import numpy as np
import orjson
import psycopg
import pyarrow.parquet as pq
from flask import Flask, Response, request

from recsys import bundle as bundles
from recsys import shelf

if TYPE_CHECKING:
    from postgres import Server

CARD = ("site", "key", "url", "title", "section", "language", "image", "sponsored", "published")
ITEMS = 6
TEXT = f"""
SELECT {", ".join(f"a.{name}" for name in CARD)}
FROM articles a, articles page
WHERE page.site = %s AND page.key = %s AND a.words @@ page.query AND a.id <> page.id
ORDER BY ts_rank(a.words, page.query) DESC LIMIT {ITEMS}
"""
"""The articles whose titles have the most of the words of the page's title."""
NEAREST = f"""
SELECT {", ".join(CARD)} FROM articles
ORDER BY vector <=> (SELECT vector FROM articles WHERE site = %s AND key = %s) LIMIT {ITEMS + 1}
"""
"""The articles nearest by our own vectors, the page among them."""
TABLES = {
    "text": (
        "ALTER TABLE articles ADD words tsvector, ADD query tsquery",
        "UPDATE articles SET words = to_tsvector('english', title), query = replace("
        "plainto_tsquery('english', title)::text, ' & ', ' | ')::tsquery",
        "CREATE INDEX ON articles USING gin (words)",
    ),
    "pgvector": ("CREATE INDEX ON articles USING hnsw (vector vector_cosine_ops)",),
}


def fill(server: "Server", name: str, network: Path, var: Path) -> str:
    """Load a network into a database of a server and return its address.

    Raises ``psycopg.Error`` where the server lacks the extension ``vector``.
    """
    address = server.create(name).replace("+psycopg", "")
    cards = pq.read_table(network / "articles.parquet", columns=list(CARD)).to_pylist()
    columns = ", ".join(f"{one} text" for one in CARD[:-2])
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE articles (id int, {columns}, sponsored boolean, published bigint)"
        )
        with connection.cursor().copy(f"COPY articles (id, {', '.join(CARD)}) FROM STDIN") as copy:
            for row, card in enumerate(cards):
                copy.write_row((row, *(card[one] for one in CARD)))
        if name == "pgvector":
            _fill_vectors(connection, cards, var)
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("CREATE UNIQUE INDEX ON articles (site, key)")
        for statement in TABLES[name]:
            connection.execute(statement)
        connection.execute("VACUUM (FULL, ANALYZE) articles")
    return address


def _fill_vectors(
    connection: "psycopg.Connection[Any]", cards: Sequence[Mapping[str, Any]], var: Path
) -> None:
    connection.execute("CREATE EXTENSION vector")
    bundle = bundles.open_bundle(shelf.folder(var / "bundles", shelf.current(var / "bundles")))
    rows = bundle.catalogue.ids.rows([f"{card['site']}/{card['key']}" for card in cards])
    vectors = np.asarray(bundle.vectors, np.float32)
    connection.execute(f"CREATE TEMP TABLE learned (id int, vector vector({vectors.shape[1]}))")
    with connection.cursor().copy("COPY learned FROM STDIN") as copy:
        for place, row in enumerate(rows):
            if row >= 0:
                copy.write_row((place, json.dumps(vectors[row].tolist())))
    connection.execute(f"ALTER TABLE articles ADD vector vector({vectors.shape[1]})")
    connection.execute("UPDATE articles a SET vector = l.vector FROM learned l WHERE l.id = a.id")


def fill_tantivy(network: Path, folder: Path) -> str:
    """Index a network's articles and return the directory."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("page", stored=False, tokenizer_name="raw")
    builder.add_text_field("title", stored=True, tokenizer_name="en_stem")
    builder.add_text_field("body", stored=True, tokenizer_name="en_stem")
    builder.add_bytes_field("card", stored=True)
    folder.mkdir(parents=True, exist_ok=True)
    index = tantivy.Index(builder.build(), path=str(folder))
    writer = index.writer(heap_size=500_000_000, num_threads=1)
    columns = [*CARD, "body"]
    for batch in pq.ParquetFile(network / "articles.parquet").iter_batches(columns=columns):
        for article in batch.to_pylist():
            writer.add_document(
                tantivy.Document(
                    page=[f"{article['site']}/{article['key']}"],
                    title=[article["title"]],
                    body=[article["body"]],
                    card=[orjson.dumps({name: article[name] for name in CARD})],
                )
            )
    writer.commit()
    writer.wait_merging_threads()
    return str(folder)


def application(name: str, options: Mapping[str, Any]) -> WSGIApplication:
    """Return a Flask application that answers pages by a rival."""
    ask = _tantivy(options["index"]) if name == "tantivy" else _postgres(name, options["address"])
    app = Flask(name)

    @app.get("/v1/recommendations")
    def answer() -> Response:
        found = {"items": ask(request.args["site"], request.args["key"])}
        return Response(orjson.dumps(found), mimetype="application/json")

    return app


def _postgres(name: str, address: str) -> Callable[[str, str], list[dict[str, Any]]]:
    kept = threading.local()
    statement = {"text": TEXT, "pgvector": NEAREST}[name]

    def ask(site: str, key: str) -> list[dict[str, Any]]:
        if not hasattr(kept, "connection"):
            kept.connection = psycopg.connect(address, autocommit=True, prepare_threshold=0)
            kept.connection.execute("SET jit = off")
        found = kept.connection.execute(statement, (site, key), binary=True).fetchall()
        cards = [dict(zip(CARD, row, strict=True)) for row in found]
        return [card for card in cards if (card["site"], card["key"]) != (site, key)][:ITEMS]

    return ask


def _tantivy(folder: str) -> Callable[[str, str], list[dict[str, Any]]]:
    import tantivy

    index = tantivy.Index.open(folder)
    searcher, schema = index.searcher(), index.schema

    def ask(site: str, key: str) -> list[dict[str, Any]]:
        page = tantivy.Query.term_query(schema, "page", f"{site}/{key}")
        here = searcher.search(page, 1).hits
        if not here:
            return []
        alike = tantivy.Query.more_like_this_query(here[0][1])
        found = [
            where for _, where in searcher.search(alike, ITEMS + 1).hits if where != here[0][1]
        ]
        return [orjson.loads(searcher.doc(where)["card"][0]) for where in found[:ITEMS]]

    return ask
