"""An article is handed over once, at its time, and is up from then until it expires."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.press import Press
from recsys.types import NEVER, Article


def articles(*times: tuple[int, int]) -> list[Article]:
    return [
        Article("daily", f"a{row}", f"/{row}", "", published, expires=expires)
        for row, (published, expires) in enumerate(times)
    ]


def up(press: Press, count: int) -> list[int]:
    rows = np.arange(count, dtype=np.int32)
    return rows[press.up(rows)].tolist()


def test_articles_come_out_in_order_each_at_its_second():
    joined: list[int] = []
    press = Press(articles((10, NEVER), (10, NEVER), (20, NEVER)), joined.append)
    press.until(9)
    assert joined == []
    press.until(10)
    assert joined == [0, 1]
    press.until(19)
    assert joined == up(press, 3) == [0, 1]
    press.until(20)
    assert joined == up(press, 3) == [0, 1, 2]


def test_what_somebody_meets_before_its_time_is_out_and_not_published_again():
    joined: list[int] = []
    press = Press(articles((10, NEVER), (20, NEVER)), joined.append)
    press.these([1, 1])
    assert joined == up(press, 2) == [1]
    press.until(30)
    assert joined == [1, 0]


def test_what_has_expired_is_down_from_that_second_on_whoever_opens_it():
    press = Press(articles((0, 50), (0, NEVER)), lambda row: None)
    press.until(49)
    assert up(press, 2) == [0, 1]
    press.until(50)
    assert up(press, 2) == [1]
    press.these([0])
    assert up(press, 2) == [1]


def test_what_expires_before_anybody_looks_is_never_up():
    joined: list[int] = []
    press = Press(articles((0, 5), (1, 3)), joined.append)
    press.until(10)
    assert joined == [0, 1]  # a system may learn from it all the same
    assert up(press, 2) == []


@given(
    times=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), max_size=8),
    moments=st.lists(st.tuples(st.integers(0, 45), st.sets(st.integers(0, 7))), max_size=12),
)
def test_what_is_up_follows_from_what_came_before(times, moments):
    times.sort()
    joined: list[int] = []
    press = Press(articles(*times), joined.append)
    met: set[int] = set()
    for now, rows in sorted(moments, key=lambda moment: moment[0]):
        press.until(now)
        met |= {row for row in rows if row < len(times)}
        press.these(row for row in rows if row < len(times))
        out = {row for row, (published, _) in enumerate(times) if published <= now} | met
        assert set(joined) == out
        assert len(joined) == len(out)
        assert up(press, len(times)) == [row for row in sorted(out) if times[row][1] > now]
