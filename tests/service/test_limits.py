"""What one sender may do is bounded, and so is what is remembered of senders."""

import dataclasses

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from service.app import create_app
from service.limits import Gate, Window, address, is_bot
from service.settings import Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(takes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 40))))
def test_a_window_counts_as_a_naive_one_does(takes: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    window = Window(5, 60, 10, clock)
    began: dict[str, float] = {}
    counts: dict[str, int] = {}
    for name, n, wait in takes:
        clock.now += wait
        if name not in began or clock.now - began[name] >= 60:
            began[name], counts[name] = clock.now, 0
        counts[name] += n
        assert window.take(name, n) == (counts[name] <= 5)


def test_invented_names_do_not_grow_memory() -> None:
    window = Window(5, 60, 100, Clock())
    for n in range(10_000):
        window.take(f"forged-{n}")
    assert len(window) == 100


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", "::/64"),
        ("not an address", "::"),
    ],
)
def test_an_address_is_a_household(remote: str, counted: str) -> None:
    with Flask("x").test_request_context(environ_base={"REMOTE_ADDR": remote}):
        assert address() == counted


def test_a_key_has_its_own_limit_and_the_demo_trusts_its_own_machine() -> None:
    limits = Limits(events_per_minute=2, key_events_per_minute=3, openings=1)
    gate, demo = Gate(limits), Gate(limits, local=True)
    with Flask("x").test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        assert [gate.admits("", 1) for _ in range(3)] == [True, True, False]
        assert [gate.admits("key", 3), gate.admits("key", 1)] == [True, False]
        assert [gate.opens("a"), gate.opens("a"), gate.opens("b")] == [True, False, True]
        assert all(demo.admits("", 1) and demo.opens("a") for _ in range(9))
    with Flask("x").test_request_context(environ_base={"REMOTE_ADDR": "203.0.113.7"}):
        assert [demo.admits("", 2), demo.admits("", 1)] == [True, False]


@pytest.mark.parametrize("name", ["Googlebot/2.1", "curl/8.5.0", "python-requests/2.32", ""])
def test_crawlers_are_known_by_their_names(name: str) -> None:
    assert is_bot(name)


def test_browsers_are_no_crawlers() -> None:
    assert not is_bot("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")


@pytest.mark.parametrize(("proxies", "counted"), [(0, "127.0.0.1"), (1, "198.51.100.9")])
def test_only_trusted_proxies_say_where_a_request_comes_from(settings, proxies, counted) -> None:
    limits = Limits(trusted_proxies=proxies)
    app = create_app(dataclasses.replace(settings, limits=limits))
    seen = []
    app.before_request(lambda: seen.append(address()))
    forged = {"X-Forwarded-For": "203.0.113.7, 198.51.100.9"}
    app.test_client().get("/healthz", headers=forged)
    assert seen == [counted]
