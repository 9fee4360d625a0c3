"""What a row must hold to become an article or an event."""

import datetime
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.importers import columns, rows
from data.importers.rows import DAY, Fault, moment
from data.importers.table import Table
from data.importers.text import line, prose
from data.records import event_columns
from recsys.types import NEVER, Article, ArticleId, Event, Kind, Tone

NOW = 1_800_000_000
ARTICLE = {"site": "daily", "key": "17", "url": "/17", "title": "Snow", "published": 1_700_000_000}
EVENT = {"kind": "click", "site": "daily", "key": "17", "at": 1_700_000_000}


def fault(made: object) -> Fault:
    assert isinstance(made, Fault), made
    return made


def one(row: dict) -> Event | Fault:
    (made,) = rows.events([row], NOW)
    return made


def test_an_article_takes_every_column():
    whole = ARTICLE | {
        "body": "<p>One.</p><p>Two.</p>",
        "section": "Weather",
        "tags": "snow| ice |snow",
        "authors": ["A. Mori", "<b>B. Sato</b>"],
        "language": "pt_BR",
        "image": "https://example.org/a.jpg",
        "sponsored": "true",
        "tone": "Grave",
        "expires": "2100-01-01",
    }
    assert rows.article(whole) == Article(
        site="daily",
        key="17",
        url="/17",
        title="Snow",
        published=1_700_000_000,
        body="One.\n\nTwo.",
        section="Weather",
        tags=("snow", "ice"),
        authors=("A. Mori", "B. Sato"),
        language="pt-BR",
        image="https://example.org/a.jpg",
        sponsored=True,
        tone=Tone.GRAVE,
        expires=4_102_444_800,
    )


def test_an_article_needs_no_more_than_five_columns():
    made = rows.article(ARTICLE)
    assert isinstance(made, Article)
    assert (made.body, made.tags, made.expires) == ("", (), NEVER)
    assert rows.article(ARTICLE | {"expires": NEVER}) == made


@pytest.mark.parametrize("name", ARTICLE)
def test_an_article_without_one_of_them_is_rejected(name):
    row = {column: value for column, value in ARTICLE.items() if column != name}
    assert fault(rows.article(row)) == Fault(name, "is missing")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site", "two words"),
        ("site", "s" * 65),
        ("key", ""),
        ("key", "a\nb"),
        ("key", "a\n"),
        ("key", "k" * 513),
        ("key", "\udc80"),
        ("url", "//evil.example/x"),
        ("url", "/\\evil.example/x"),
        ("url", "javascript:alert(1)"),
        ("url", "https://"),
        ("url", "https://a b"),
        ("url", "17"),
        ("image", "data:image/png;base64,AA"),
        ("title", "<br> \x00"),
        ("title", "x" * 1_001),
        ("title", "x" * 100_000),
        ("published", "1969-12-31T23:59:59Z"),
        ("published", -1),
        ("published", "soon"),
        ("published", True),
        ("published", math.nan),
        ("tone", "merry"),
        ("language", "English, mostly"),
        ("tags", 3),
        ("tags", ["\udc80"]),
        ("body", "\udc80"),
        ("expires", "never"),
    ],
)
def test_a_bad_value_is_a_fault_of_its_field(name, value):
    found = fault(rows.article(ARTICLE | {name: value}))
    assert found.field == name
    assert found.reason
    assert len(found.reason) < 300


def test_a_title_of_a_thousand_characters_after_cleaning_is_fine():
    made = rows.article(ARTICLE | {"title": "<i>" + "x" * 1_000 + "</i>"})
    assert isinstance(made, Article)


def test_an_article_may_be_scheduled_but_an_event_cannot():
    assert isinstance(rows.article(ARTICLE | {"published": NOW + 90 * DAY}), Article)
    assert isinstance(one(EVENT | {"at": NOW + DAY}), Event)
    assert "in the future" in fault(one(EVENT | {"at": NOW + DAY + 1})).reason
    assert fault(one(EVENT | {"at": "1969-12-31"})).field == "at"


def test_an_event_takes_every_column():
    whole = EVENT | {
        "id": "e1",
        "visitor": "v",
        "session": "s",
        "seen_on": "travel",
        "dwell": "2.5",
        "slate": "sl",
        "position": "3",
        "context": "device:phone|region:kansai",
        "propensity": "0.5",
        "arm": "more-trends/b",
        "source": "related",
        "bundle": "b-1",
        "placement": "home",
    }
    assert one(whole) == Event(
        id="e1",
        kind=Kind.CLICK,
        article=ArticleId("daily", "17"),
        at=1_700_000_000,
        visitor="v",
        session="s",
        seen_on="travel",
        dwell=2.5,
        slate="sl",
        position=3,
        context=("device:phone", "region:kansai"),
        propensity=0.5,
        arm="more-trends/b",
        source="related",
        bundle="b-1",
        placement="home",
    )


def test_numbers_may_stand_for_keys_and_readers():
    made = one(EVENT | {"key": 17, "visitor": 59})
    assert isinstance(made, Event)
    assert (made.article.key, made.visitor) == ("17", "59")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "hover"),
        ("visitor", "v" * 129),
        ("session", "a\x00"),
        ("arm", "a\nb"),
        ("source", "x" * 65),
        ("bundle", "a\nb"),
        ("placement", "x" * 65),
        ("seen_on", "two words"),
        ("dwell", -1),
        ("dwell", math.nan),
        ("dwell", math.inf),
        ("position", -2),
        ("position", 40_000),
        ("context", ["phone"]),
        ("context", ["a:b|c"]),
        ("at", None),
    ],
)
def test_a_bad_event_is_a_fault_of_its_field(name, value):
    assert fault(one(EVENT | {name: value})).field == name


def test_without_an_id_the_same_event_has_the_same_one_and_another_has_another():
    first, again = rows.events([EVENT, EVENT | {"dwell": 3}], NOW)
    assert isinstance(first, Event)
    assert isinstance(again, Event)
    assert first.id == again.id
    assert len(first.id) == 32
    assert first.id == rows.event_id(Kind.CLICK, "", "", ArticleId("daily", "17"), EVENT["at"])
    others = [
        one(EVENT | change)
        for change in (
            {"kind": "read"},
            {"visitor": "v"},
            {"session": "v"},
            {"site": "b"},
            {"key": "18"},
            {"at": 1},
            {"slate": "v"},
            {"position": 0},
        )
    ]
    assert len({first.id, *(other.id for other in others if isinstance(other, Event))}) == 9


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**62),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["click", "read", "daily", "2026-11-23", "a:b|c:d", "\udc80"]),
    st.lists(st.text(max_size=5), max_size=3),
)
event_rows = st.builds(
    lambda good, change: {**(EVENT if good else {}), **change},
    st.booleans(),
    st.dictionaries(st.sampled_from(rows.EVENT_COLUMNS), values, max_size=3),
)


@given(st.lists(event_rows, max_size=6))
def test_a_row_fares_the_same_alone_and_among_others(found):
    assert rows.events(found, NOW) == [one(row) for row in found]


texts = st.sampled_from(
    [
        "1700000000",
        "17000000000000",
        "2026-11-23",
        "20171001",
        "2.5",
        "007",
        "1_0",
        "-1",
        "click",
        "Click",
        "daily",
        "a:b",
        "|",
        "a:b|c",
        "a:",
        "b",
    ]
) | st.sampled_from(["", " 3", "two words", "a\x85b", "a\u2028b", "x" * 130, "a\xa0b:c", "\udc80"])
others = st.sampled_from([[], ["a:b", "c:d"], ["a:b", 1], [["a:b"]], [""], {"a": 1}, math.nan])
numbers = st.sampled_from([0, 1, True, 1.0, 3.0, -1, 10**11, 10**30, 0.0, 5e-324, NOW + DAY + 1])
cells = st.one_of(st.none(), texts, numbers, others, values)
event_rows_of_all_sorts = st.builds(
    lambda change: {**EVENT, **change},
    st.dictionaries(st.sampled_from(rows.EVENT_COLUMNS), cells, max_size=3),
)


@given(st.lists(event_rows_of_all_sorts, max_size=8))
def test_a_row_fares_the_same_by_columns(found):
    present = [{name: value for name, value in row.items() if value is not None} for row in found]
    made = rows.events(present, NOW)
    held, faults = columns.events(Table.of(found), NOW)
    wrong = [(n, one) for n, one in enumerate(made) if isinstance(one, Fault)]
    assert faults == wrong
    right = event_columns([one for one in made if isinstance(one, Event)])
    assert held == right
    types = {name: list(map(type, values)) for name, values in held.items()}
    assert types == {name: list(map(type, values)) for name, values in right.items()}


def test_columns_hold_every_event_that_is_right_in_its_order():
    found = [EVENT | {"key": str(n), "at": NOW - n} for n in range(6)]
    found[1]["kind"], found[3]["at"], found[4]["position"] = "hover", NOW + 2 * DAY, "4.0"
    held, faults = columns.events(Table.of(found), NOW)
    assert [(place, fault.field) for place, fault in faults] == [(1, "kind"), (3, "at")]
    assert held["key"] == ["0", "2", "4", "5"]
    assert held["position"] == [-1, -1, 4, -1]


@given(st.dictionaries(st.sampled_from(rows.ARTICLE_COLUMNS), values))
def test_any_row_becomes_an_article_or_a_fault(change):
    made = rows.article(ARTICLE | change)
    assert isinstance(made, Article | Fault)
    if isinstance(made, Article):
        assert "\x00" not in str(orjson.dumps(made))


seconds = st.integers(0, 10**11 - 1)


@given(seconds)
def test_a_time_may_come_in_any_notation(at):
    zone = datetime.timezone(datetime.timedelta(hours=9))
    when = datetime.datetime.fromtimestamp(at, datetime.UTC)
    assert moment(at) == moment(float(at)) == moment(when) == moment(when.isoformat()) == at
    assert moment(when.astimezone(zone).isoformat()) == at
    assert moment(when.replace(tzinfo=None).isoformat()) == at
    if at >= 10**8:
        assert moment(at * 1000 + 999) == moment(str(at * 1000)) == moment(str(at)) == at


def test_eight_digits_are_a_day_and_other_digits_an_epoch():
    assert moment("20171001") == moment("2017-10-01") == 1_506_816_000
    assert moment("1506816000") == 1_506_816_000
    assert moment(datetime.date(2017, 10, 1)) == 1_506_816_000


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("A  quiet\n\tnight", "A quiet night"),
        ("<b>Bold</b> &amp; brave", "Bold & brave"),
        ("<script>alert(1)</script>Hello", "Hello"),
        ("a\x00b\x1bc\u202ed\ufeff", "abcd"),
        ("3 < 5 & 7 > 2", "3 < 5 & 7 > 2"),
        ("\u3000東京の朝\u3000市場", "東京の朝 市場"),
    ],
)
def test_a_title_is_one_line_of_plain_text(given, cleaned):
    assert line(given) == cleaned


def test_a_body_keeps_its_paragraphs():
    assert prose("One\nline.\r\n\r\n\r\nTwo.") == "One line.\n\nTwo."
    assert prose("<div><p>One</p>\n<p>Two<br>Three</p></div>") == "One\n\nTwo\n\nThree"
    assert prose("") == prose("<p> </p>") == ""
