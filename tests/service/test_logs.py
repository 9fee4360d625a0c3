"""What stands in the log: as much as is asked for, with slow and failing requests marked."""

import orjson
import pytest
import structlog
from served import NOW

from recsys.errors import ConfigError
from service import logs, observe
from service.app import create_app
from training.jobs import perform

PATH = "/v1/recommendations"


@pytest.fixture
def written(settings, monkeypatch, capfdbinary):
    """Ask a service for some paths at a level; returns its lines."""
    before = structlog.get_config()

    def lines(level: str, *paths: str) -> list[dict]:
        monkeypatch.setenv(logs.LEVEL, level)
        logs.configure()
        app = create_app(settings)

        @app.get("/broken")
        def broken():
            raise ValueError("broken")

        client = app.test_client()
        for path in paths:
            client.get(path)
        return [orjson.loads(line) for line in capfdbinary.readouterr().err.splitlines()]

    yield lines
    structlog.configure(**before)


def test_machines_that_ask_every_second_stand_in_no_ones_way(written) -> None:
    lines = written("", "/healthz", "/metrics", PATH + "?site=daily")
    assert [line["route"] for line in lines] == [PATH]
    assert [line["level"] for line in lines] == ["info"]
    lines = written("debug", "/healthz", "/metrics", PATH + "?site=daily")
    assert [line["route"] for line in lines] == ["/healthz", "/metrics", PATH]


def test_a_machine_that_is_told_no_is_heard_of(written) -> None:
    (line,) = written("warning", "/readyz")
    assert (line["route"], line["status"], line["level"]) == ("/readyz", 503, "warning")


def test_slow_requests_are_marked_and_stay_when_others_are_not_wanted(written, monkeypatch) -> None:
    assert written("warning", PATH + "?site=daily") == []
    monkeypatch.setattr(observe, "SLOW", 0.0)
    (line,) = written("warning", PATH + "?site=daily")
    assert line["slow"] is True
    assert line["level"] == "warning"
    assert line["request_id"]


def test_a_failure_is_two_lines_under_one_id(written) -> None:
    error, request = written("warning", "/broken")
    assert error["level"] == "error"
    assert request["level"] == "warning"
    assert request["status"] == 500
    assert error["request_id"] == request["request_id"]


def test_whatever_a_job_logs_names_its_run(store, capfdbinary) -> None:
    before = structlog.get_config()
    logs.configure()
    try:
        log = structlog.get_logger()

        def work(_: object) -> tuple[str, dict]:
            log.info("published", bundle="b1")
            return "done", {}

        run, _, _ = perform(store, "retrain", work, NOW)
        log.info("afterwards")
    finally:
        structlog.configure(**before)
    written = [orjson.loads(line) for line in capfdbinary.readouterr().err.splitlines()]
    lines = {line["event"]: line for line in written}
    assert lines["published"]["run"] == run.id
    assert lines["published"]["job"] == "retrain"
    assert lines["published"]["level"] == "info"
    assert "run" not in lines["afterwards"]


def test_a_level_that_is_none_is_a_sentence(typed, monkeypatch) -> None:
    monkeypatch.setenv(logs.LEVEL, "loud")
    with pytest.raises(ConfigError, match="debug, info, warning, error"):
        logs.level()
    done = typed("serve", "--port", "0")
    assert done.code == 2
    assert "RECSYS_LOG is 'loud'" in done.err
