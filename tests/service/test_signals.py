"""What operators tell a running service by signals: read the configuration again; stop."""

import signal

import httpx
import pytest
from waiting import until

TITLE = "Hana & Hearth"


@pytest.fixture
def own(store, articles, start):
    """Start a service for one test."""
    store.put_articles(articles)

    def started(*options: str):
        service = start(*options)
        service.wait_for("/healthz")
        return service

    return started


def named(service) -> set[str]:
    """Return what the cards of one site call it."""
    items = service.get("/v1/recommendations", site="daily", key="a-1", n=50).json()["items"]
    return {item["site_name"] for item in items if item["site"] == "culture"}


def test_sighup_reads_the_configuration_again_and_keeps_the_old_one_where_it_is_wrong(own, var):
    service, config = own("--workers", "2"), var / "recsys.toml"
    old = set(service.workers())
    assert named(service) == {TITLE}
    config.write_text(config.read_text().replace(TITLE, "Hearth"))
    service.process.send_signal(signal.SIGHUP)
    assert until(lambda: not old & set(service.workers()))
    assert until(lambda: all(named(service) == {"Hearth"} for _ in range(8)))
    config.write_text("[policy]\ndiversty = 0.1\n")
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    assert until(lambda: not before & set(service.workers()))
    assert until(lambda: all(named(service) == {"Hearth"} for _ in range(8)))
    assert "diversty" in service.log.read_text()


def test_a_service_that_is_told_to_stop_says_so_before_it_does(own):
    service = own("--workers", "1", "--drain", "60")
    assert service.get("/readyz").status_code == 200
    service.process.send_signal(signal.SIGTERM)
    assert until(lambda: service.get("/readyz").status_code == 503)
    assert "another replica" in service.get("/readyz").json()["detail"]
    assert len(service.get("/v1/recommendations", site="daily", key="a-1").json()["items"]) == 6
    assert service.process.poll() is None
    service.process.send_signal(signal.SIGTERM)  # whoever says it twice means it
    assert service.process.wait(40) == 0
    with pytest.raises(httpx.ConnectError):
        service.get("/healthz")


def test_replicas_can_be_told_to_have_the_same_keyring(own, var):
    first = own("--workers", "1").get("/readyz").json()["keyring"]
    assert own("--workers", "1").get("/readyz").json()["keyring"] == first
    (var / "keyring.json").unlink()
    assert own("--workers", "1").get("/readyz").json()["keyring"] != first
