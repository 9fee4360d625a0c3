"""A token proves what was shown, where, when and with what chance; nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.keyring import Keyring, SlateKey
from recsys.types import ArticleId
from service.slates import LIFE, LONGEST, Forged, read, sign

NOW = 1_790_000_000
OLD, NEW, OTHER = (SlateKey(f"00{n:02x}", bytes([n]) * 32, NOW) for n in range(3))
KEYRING = Keyring(b"p" * 32, (NEW, OLD))
A, B = ArticleId("daily", "a-1"), ArticleId("culture", "日本/ü")
names = st.text(min_size=1, max_size=20)
slots = st.lists(
    st.tuples(st.builds(ArticleId, names, names), st.floats(0, 1, width=32)), max_size=10
)


@given(site=st.text(max_size=20), slots=slots, arm=st.text(max_size=65))
def test_what_was_signed_is_proven(site: str, slots: list, arm: str) -> None:
    shown = read(sign("ab12", site, NOW, slots, KEYRING, arm), KEYRING, NOW + 9)
    assert shown.arm == arm
    assert (shown.id, shown.site, shown.at, len(shown.slots)) == ("ab12", site, NOW, len(slots))
    for position, (article, chance) in enumerate(slots):
        assert shown.propensity(article, position) == chance


TOKEN = sign("ab12", "daily", NOW, [(A, 1.0), (B, 0.25)], KEYRING, "more-trends/b")
BEFORE = "ab12.AQABarE7gAUCZGFpbHkJ8WcWj-BQdj-AAAAmG1QysHJ0nD6AAAA.cLYeDjAPFMClj4GoubRl5g"


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
    token = sign("ab12", "daily", NOW, [(A, 1.0)], before)
    assert read(token, KEYRING, NOW).id == "ab12"
    with pytest.raises(Forged, match="no longer in use"):
        read(token, Keyring(b"p" * 32, (OTHER, NEW)), NOW)


def test_a_key_with_the_same_name_and_another_secret_does_not_verify() -> None:
    forged = Keyring(b"p" * 32, (SlateKey(NEW.id, b"x" * 32, NOW),))
    with pytest.raises(Forged, match="not what this service has signed"):
        read(sign("ab12", "daily", NOW, [(A, 1.0)], forged), KEYRING, NOW)


def test_a_token_of_before_there_were_experiments_still_proves_what_was_shown() -> None:
    shown = read(BEFORE, KEYRING, NOW)
    assert (shown.propensity(A, 0), shown.propensity(B, 1), shown.arm) == (1.0, 0.25, "")


def test_a_token_ages() -> None:
    read(TOKEN, KEYRING, NOW + LIFE)
    for now in (NOW + LIFE + 1, NOW - 61):
        with pytest.raises(Forged, match="older than 48 hours"):
            read(TOKEN, KEYRING, now)


def test_the_largest_slate_fits() -> None:
    assert len(sign("a" * 24, "s" * 64, NOW, [(A, 0.5)] * 50, KEYRING, "a" * 65)) < LONGEST
