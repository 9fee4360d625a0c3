"""A database that dies or stands still costs no answer and loses no event."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import postgres
import psycopg
import pytest
from served import Service, serving

from data.store import Store

from .conftest import UNBOUNDED, Traffic, trained, until


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server(safe=True) as own:
        yield own


@pytest.fixture(scope="module")
def service(server, tmp_path_factory) -> Iterator[Service]:
    var = trained(tmp_path_factory.mktemp("var"), server.create("network"))
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED)
    with serving(var, "--workers", "2") as started:
        assert started.wait_for("/readyz").status_code == 200
        yield started


@pytest.fixture
def store(server) -> Iterator[Store]:
    with Store.open(server.url("network")) as opened:
        yield opened


def test_postgresql_killed_in_the_middle_of_traffic_costs_no_answer_and_loses_no_event(
    service, server, store
):
    with Traffic(service).flowing() as traffic:
        assert traffic.more()
        server.kill()
        assert traffic.more(100, 60)
        assert traffic.queued
        server.start()
        assert traffic.more(60, 40)
        before = traffic.queued
        assert until(lambda: traffic.queued == before and traffic.more(1, 10))
    assert set(traffic.answers) == {200}
    assert set(traffic.reports) == {202}
    assert traffic.settled(store)
    assert until(lambda: service.get("/readyz").json()["queued"] == 0)


def test_nobody_waits_for_a_lock_on_the_table_of_events(service, server, store):
    traffic = Traffic(service)
    with (
        ExitStack() as held,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        raw = held.enter_context(
            psycopg.connect(server.url("network").replace("+psycopg", ""), autocommit=False)
        )
        raw.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        for n in range(30):
            traffic.report(client, f"locked-{n}")
            traffic.ask(client)
        # All have been answered, and the lock is still held.
        assert set(traffic.reports) == {202}
        assert set(traffic.answers) == {200}
        assert traffic.queued == 90
        raw.rollback()
    assert traffic.settled(store)
    assert len(traffic.acknowledged) == 90


def test_nobody_waits_for_another_writer_of_an_sqlite_file(tmp_path):
    var = trained(tmp_path)
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED)
    with serving(var, "--workers", "2") as service:
        service.wait_for("/readyz")
        traffic = Traffic(service)
        raw = sqlite3.connect(var / "recsys.db", isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for n in range(30):
                traffic.report(client, f"locked-{n}")
                traffic.ask(client)
        assert set(traffic.reports) == {202}
        assert set(traffic.answers) == {200}
        assert traffic.queued == 90
        for pid in service.workers():  # what they have acknowledged is not in their memory alone
            os.kill(pid, signal.SIGKILL)
        raw.execute("ROLLBACK")
        raw.close()
        service.wait_for("/readyz")
        with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
            assert traffic.settled(store)
        assert until(lambda: service.get("/readyz").json()["queued"] == 0)
        metrics = service.get("/metrics").text
        assert "recsys_spool_delivered_total 90.0" in metrics
        assert "recsys_spool_rows 0.0" in metrics
