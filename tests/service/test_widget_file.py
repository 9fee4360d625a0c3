"""The widget's file is sent packed to whoever can unpack it, and only when it has changed."""

import gzip

import pytest

from service.app import create_app
from service.widget import SCRIPT


@pytest.fixture
def get(settings, store):
    client = create_app(settings).test_client()

    def asked(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with client.get("/widget.js", headers=named) as answer:
            return answer.status_code, answer.headers, answer.data

    return asked


def test_whoever_unpacks_gets_a_third_of_the_bytes_and_the_same_file(get):
    status, headers, data = get(Accept_Encoding="gzip, br")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert int(headers["Content-Length"]) == len(data) < SCRIPT.stat().st_size / 2.5
    assert gzip.decompress(data) == SCRIPT.read_bytes()


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0"])
def test_whoever_does_not_gets_it_as_it_is(get, accepted):
    _, headers, data = get(Accept_Encoding=accepted)
    assert "Content-Encoding" not in headers
    assert data == SCRIPT.read_bytes()


@pytest.mark.parametrize("accepted", ["gzip", ""])
def test_caches_keep_both_apart_and_ask_again_after_an_hour(get, accepted):
    _, first, _ = get(Accept_Encoding=accepted)
    assert first["Vary"] == "Accept-Encoding"
    assert first["Cache-Control"] == "public, max-age=3600"
    status, again, data = get(Accept_Encoding=accepted, If_None_Match=first["ETag"])
    assert (status, data) == (304, b"")
    assert again["Vary"] == "Accept-Encoding"
    other = get(Accept_Encoding="" if accepted else "gzip")[1]
    assert other["ETag"] != first["ETag"]
