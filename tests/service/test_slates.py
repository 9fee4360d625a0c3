"""A token proves what was shown, where, when and with what chance; nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.keyring import Keyring, SlateKey
from recsys.engine import REASONS
from recsys.types import ArticleId, Item, Slate
from service.slates import LIFE, LONGEST, SOURCES, Forged, read, sign

NOW = 1_790_000_000
OLD, NEW, OTHER = (SlateKey(f"00{n:02x}", bytes([n]) * 32, NOW) for n in range(3))
KEYRING = Keyring(b"p" * 32, (NEW, OLD))
A, B = ArticleId("daily", "a-1"), ArticleId("culture", "日本/ü")
names = st.text(min_size=1, max_size=20)
cards = st.lists(
    st.tuples(
        st.builds(ArticleId, names, names), st.floats(0, 1, width=32), st.sampled_from(SOURCES)
    ),
    max_size=10,
)


def slate(*cards: tuple[ArticleId, float, str], id: str = "ab12", bundle: str = "b-1") -> Slate:
    items = (Item(article, 0.5, source, "", chance) for article, chance, source in cards)
    return Slate(id, tuple(items), bundle, "p-1")


@given(
    site=st.text(max_size=20),
    cards=cards,
    arm=st.text(max_size=65),
    bundle=st.text(max_size=60),
    placement=st.text(max_size=60),
)
def test_what_was_signed_is_proven(
    site: str, cards: list, arm: str, bundle: str, placement: str
) -> None:
    token = sign(slate(*cards, bundle=bundle), site, NOW, KEYRING, arm, placement)
    shown = read(token, KEYRING, NOW + 9)
    assert (shown.arm, shown.bundle, shown.placement) == (arm, bundle, placement)
    assert (shown.id, shown.site, shown.at, len(shown.slots)) == ("ab12", site, NOW, len(cards))
    for position, (article, chance, source) in enumerate(cards):
        assert shown.propensity(article, position) == chance
        assert shown.source(position) == source


TOKEN = sign(
    slate((A, 1.0, "related"), (B, 0.25, "exploration")),
    *("daily", NOW, KEYRING, "more-trends/b", "article"),
)
BEFORE_ARMS = "ab12.AQABarE7gAUCZGFpbHkJ8WcWj-BQdj-AAAAmG1QysHJ0nD6AAAA.cLYeDjAPFMClj4GoubRl5g"
BEFORE_SOURCES = (
    "ab12.AQABarE7gAUCZGFpbHkJ8WcWj-BQdj-AAAAmG1QysHJ0nD6AAABtb3JlLXRyZW5kcy9i"
    ".uk4jbUSEQQRzenIWnVBVWQ"
)


def test_only_the_article_of_a_slot_was_shown_there() -> None:
    shown = read(TOKEN, KEYRING, NOW)
    assert (shown.propensity(A, 0), shown.propensity(B, 1)) == (1.0, 0.25)
    for article, position in ((B, 0), (A, 1), (A, -1), (A, 2), (ArticleId("x", "y"), 0)):
        assert shown.propensity(article, position) is None


@given(place=st.integers(0, len(TOKEN) - 1), other=st.characters())
def test_a_token_with_any_other_character_proves_nothing(place: int, other: str) -> None:
    if TOKEN[place] != other:
        with pytest.raises(Forged):
            read(TOKEN[:place] + other + TOKEN[place + 1 :], KEYRING, NOW)


@given(text=st.text(max_size=200))
def test_what_is_no_token_proves_nothing(text: str) -> None:
    with pytest.raises(Forged):
        read(text, KEYRING, NOW)


def test_the_key_before_the_newest_still_verifies_and_older_ones_do_not() -> None:
    before = Keyring(b"p" * 32, (OLD,))
    token = sign(slate((A, 1.0, "latest")), "daily", NOW, before)
    assert read(token, KEYRING, NOW).id == "ab12"
    with pytest.raises(Forged, match="no longer in use"):
        read(token, Keyring(b"p" * 32, (OTHER, NEW)), NOW)


def test_a_key_with_the_same_name_and_another_secret_does_not_verify() -> None:
    forged = Keyring(b"p" * 32, (SlateKey(NEW.id, b"x" * 32, NOW),))
    with pytest.raises(Forged, match="not what this service has signed"):
        read(sign(slate((A, 1.0, "latest")), "daily", NOW, forged), KEYRING, NOW)


@pytest.mark.parametrize(("token", "arm"), [(BEFORE_ARMS, ""), (BEFORE_SOURCES, "more-trends/b")])
def test_a_token_of_an_older_version_still_proves_what_was_shown(token: str, arm: str) -> None:
    shown = read(token, KEYRING, NOW)
    assert (shown.propensity(A, 0), shown.propensity(B, 1), shown.arm) == (1.0, 0.25, arm)
    assert (shown.source(0), shown.bundle, shown.placement) == ("", "", "")


def test_every_source_of_the_engine_has_a_number_that_stays() -> None:
    assert set(REASONS) <= set(SOURCES)
    numbered = ("", "related", "co_read", "trending", "personal", "latest", "exploration")
    assert SOURCES[: len(numbered)] == numbered
    assert len(set(SOURCES)) == len(SOURCES) <= 256


def test_a_source_that_has_no_number_is_signed_as_unknown() -> None:
    shown = read(sign(slate((A, 1.0, "of tomorrow")), "daily", NOW, KEYRING), KEYRING, NOW)
    assert (shown.propensity(A, 0), shown.source(0)) == (1.0, "")


def test_a_token_ages() -> None:
    read(TOKEN, KEYRING, NOW + LIFE)
    for now in (NOW + LIFE + 1, NOW - LIFE - 1):
        with pytest.raises(Forged, match="older than 48 hours"):
            read(TOKEN, KEYRING, now)


def test_the_largest_slate_fits() -> None:
    largest = slate(*[(A, 0.5, "related")] * 50, id="a" * 24, bundle="b" * 128)
    assert len(sign(largest, "s" * 64, NOW, KEYRING, "a" * 65, "p" * 64)) < LONGEST
