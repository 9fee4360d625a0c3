"""People are told over a webhook; whatever it does, work goes on and its address stays secret."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from webhooks import SECRET, Hook, listening

from cli.setup import load
from data import alerts as module
from data.alerts import Alerts, alert
from recsys.errors import ConfigError

AT = 1_764_040_509


@pytest.fixture
def hook() -> Iterator[Callable[..., Hook]]:
    """Listen as a webhook that answers with the given statuses, the last one from then on."""
    with ExitStack() as open_:
        yield lambda *answers: open_.enter_context(listening(*answers))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.delenv("RECSYS_WEBHOOK", raising=False)


def test_an_alert_is_a_sentence_for_people_and_fields_for_programs(
    hook: Callable[..., Hook],
) -> None:
    heard = hook()
    detail = {"run": "r-1"}
    assert alert(Alerts(heard.url), "job.failed", "retrain", "retrain failed", at=AT, detail=detail)
    (body,) = heard.bodies
    host = body.pop("host")
    assert body == {
        "text": f"recsys on {host}: retrain failed",
        "event": "job.failed",
        "subject": "retrain",
        "state": "firing",
        "at": "2025-11-25T03:15:09Z",
        "detail": detail,
    }


def test_what_is_well_again_is_resolved(hook: Callable[..., Hook]) -> None:
    heard = hook()
    assert alert(Alerts(heard.url), "job.well", "retrain", "well", at=AT, resolved=True)
    assert heard.bodies[0]["state"] == "resolved"


def test_a_server_in_trouble_is_asked_three_times(hook: Callable[..., Hook]) -> None:
    better = hook(500, 503, 200)
    assert alert(Alerts(better.url), "job.failed", "retrain", "failed", at=AT)
    assert len(better.bodies) == 3
    never = hook(500)
    assert not alert(Alerts(never.url), "job.failed", "retrain", "failed", at=AT)
    assert len(never.bodies) == 3


@pytest.mark.parametrize("answer", [500, None])
def test_the_log_tells_that_nobody_heard_and_never_the_address(
    hook: Callable[..., Hook], answer: int | None
) -> None:
    heard = hook(answer)
    with capture_logs() as lines:
        assert not alert(Alerts(heard.url, timeout=0.2), "job.failed", "retrain", "failed", at=AT)
    (line,) = lines
    assert (line["event"], line["sentence"]) == ("alert not sent", "failed")
    assert SECRET not in str(lines)
    assert len(heard.bodies) == 3


def test_a_server_that_is_not_there_stops_nothing() -> None:
    assert not alert(Alerts("http://127.0.0.1:9/"), "job.failed", "retrain", "failed", at=AT)


def test_without_an_address_nobody_is_told() -> None:
    assert not alert(Alerts(), "job.failed", "retrain", "failed", at=AT)


def test_the_environment_goes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "recsys.toml"
    config.write_text('[alerts]\nwebhook = "https://hooks.example/file"\nremind = 2\n')
    assert load(config, tmp_path).alerts.webhook == "https://hooks.example/file"
    monkeypatch.setenv("RECSYS_WEBHOOK", "https://hooks.example/environment")
    told = load(config, tmp_path).alerts
    assert (told.webhook, told.remind) == ("https://hooks.example/environment", 2)
    config.unlink()
    assert load(None, tmp_path).alerts.webhook == "https://hooks.example/environment"
    monkeypatch.setenv("RECSYS_WEBHOOK", f"ftp:/{SECRET}")
    with pytest.raises(ConfigError, match=r"RECSYS_WEBHOOK") as refused:
        load(None, tmp_path)
    assert SECRET not in str(refused.value)


def test_an_address_that_is_none_is_refused_without_repeating_it(tmp_path: Path) -> None:
    config = tmp_path / "recsys.toml"
    config.write_text(f'[alerts]\nwebhook = "hooks.example/{SECRET}"\n')
    with pytest.raises(ConfigError, match=r"line 2 \[alerts\]: webhook = '…'") as refused:
        load(config, tmp_path)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(Alerts(f"https://hooks.example/{SECRET}"))
