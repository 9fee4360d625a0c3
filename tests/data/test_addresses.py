"""Addresses that somebody else wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.addresses import KEPT, safe
from data.importers import rows
from recsys.types import Article

HOSTILE = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript://daily.example/%0aalert(1)",
    "data:text/html,x",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://daily.example/1",
    "view-source:https://daily.example/",
    "mailto:a@b.example",
]
BROKEN = ["https://[::1", "https://[x]/", "//[", "https://a\u2100b.example/"]
ROW = {"site": "daily", "key": "17", "url": "/17", "title": "Snow", "published": 1_700_000_000}


@pytest.mark.parametrize("address", ["https://a.example/x", "HTTP://a/", "/x", "x/y", "//a/b"])
def test_addresses_that_may_be_shown(address):
    assert safe(address)


@pytest.mark.parametrize("address", ["", *HOSTILE, *BROKEN])
def test_addresses_that_may_not(address):
    assert not safe(address)


@pytest.mark.parametrize("name", ["url", "image"])
@pytest.mark.parametrize("address", HOSTILE)
def test_an_article_that_leads_elsewhere_is_refused_with_what_is_expected(name, address):
    fault = rows.article(ROW | {name: address})
    assert not isinstance(fault, Article)
    assert fault.field == name
    assert "expected an http(s) address, or a path that starts with one /" in fault.reason


@pytest.mark.parametrize("address", [address for address in BROKEN if address[0] != "/"])
def test_an_article_whose_address_cannot_be_taken_apart_is_refused(address):
    fault = rows.article(ROW | {"url": address})
    assert not isinstance(fault, Article)
    assert fault.field == "url"
    assert fault.reason == f"{address!r} is no address that can be taken apart"


@given(st.from_regex(KEPT, fullmatch=True))
def test_whatever_is_kept_may_be_shown(address):
    assert safe(address) == isinstance(rows.article(ROW | {"url": address}), Article)
