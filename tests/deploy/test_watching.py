"""Alerts and dashboard ask for what the service tells, and say what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from service.metrics import described

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
METRICS = {metric.name: metric for metric in described()}
OF_PROMETHEUS = {"job", "instance"}
"""Labels that it gives to everything it reads."""


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def board() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana" / "recsys.json").read_text("utf-8"))


def expressions() -> Iterator[Any]:
    for rule in alerts():
        yield pytest.param(rule["expr"], rule["annotations"].values(), id=rule["alert"])
    for panel in board()["panels"]:
        for target in panel.get("targets", ()):
            legend = [target["legendFormat"]]
            yield pytest.param(target["expr"], legend, id=f"{panel['title']} {target['refId']}")
    for note in board()["annotations"]["list"]:
        yield pytest.param(note["expr"], (), id=note["name"])


def drawn(expression: str) -> str:
    """Return an expression as Grafana asks it: its variables have a value."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def walked(node: Any) -> Iterator[Any]:
    """Yield an expression and all that it is made of."""
    yield node
    match node:
        case promql.BinaryExpr():
            parts = [node.lhs, node.rhs]
        case promql.Call():
            parts = node.args
        case promql.MatrixSelector():
            parts = [node.vector_selector]
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr():
            parts = [node.expr]
        case promql.VectorSelector() | promql.NumberLiteral() | promql.StringLiteral():
            parts = []
        case _:
            pytest.fail(f"a {type(node).__name__} is not understood here")
    for part in parts:
        yield from walked(part)


def labels(selector: Any) -> set[str]:
    """Return the labels of what a selector finds; fails where the service tells no such thing."""
    if selector.name == "up":
        return OF_PROMETHEUS
    ending = re.search(r"_(bucket|sum|count)$", selector.name)
    name = selector.name[: ending.start()] if ending else selector.name
    assert name in METRICS, f"{name} is no metric of the service"
    metric = METRICS[name]
    assert (metric.kind == "histogram") == bool(ending), f"{selector.name} is no sample"
    bounds = {"le"} if selector.name.endswith("_bucket") else set()
    return OF_PROMETHEUS | set(metric.labels) | bounds


def known(node: Any) -> set[str]:
    """Return the labels that what an expression gives may have."""
    match node:
        case promql.VectorSelector():
            return labels(node)
        case promql.AggregateExpr():
            within = known(node.expr)
            named = set(node.modifier.labels) if node.modifier else set()
            assert named <= within, f"{named - within} are no labels of what is added up"
            return named
        case promql.BinaryExpr():
            return known(node.lhs) or known(node.rhs)
        case promql.Call():
            return set().union(*(known(part) for part in node.args))
        case promql.MatrixSelector():
            return known(node.vector_selector)
        case promql.ParenExpr() | promql.UnaryExpr():
            return known(node.expr)
    return set()


@pytest.mark.parametrize(("expression", "words"), list(expressions()))
def test_an_expression_asks_for_what_the_service_tells(expression: str, words: list[str]) -> None:
    parsed = promql.parse(drawn(expression))
    given = known(parsed)
    for selector in walked(parsed):
        if isinstance(selector, promql.VectorSelector):
            has = labels(selector)
            assert {m.name for m in selector.matchers.matchers} <= has
        if isinstance(selector, promql.Call) and selector.func.name in ("rate", "increase"):
            (inner,) = (n for n in walked(selector) if isinstance(n, promql.VectorSelector))
            kind = METRICS[re.sub(r"_(bucket|sum|count)$", "", inner.name)].kind
            assert kind in ("counter", "histogram"), f"{inner.name} may fall"
        if isinstance(selector, promql.Call) and selector.func.name == "histogram_quantile":
            assert "le" in known(selector.args[1])
    used = set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z]\w*)", " ".join(words)))
    assert used <= given, f"{used - given} are no labels of what comes out"


def test_a_wrong_name_label_or_function_is_found() -> None:
    for wrong, why in (
        ("rate(recsys_request_total[5m])", "no metric"),
        ("sum by (rout) (recsys_requests_total)", "no labels"),
        ("recsys_request_seconds > 1", "no sample"),
        ("rate(recsys_ready[5m])", "may fall"),
    ):
        with pytest.raises(AssertionError, match=why):
            test_an_expression_asks_for_what_the_service_tells(wrong, [])
    with pytest.raises(AssertionError, match="come"):
        test_an_expression_asks_for_what_the_service_tells(
            "sum(recsys_workers)", ["{{ $labels.instance }}"]
        )
    with pytest.raises(ValueError, match="unclosed"):
        promql.parse("sum(rate(recsys_requests_total[5m])")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Recsys([A-Z][a-z]+)+", rule["alert"])
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in ("critical", "warning")
    # What happens once is told at once; a state must last.
    once = "increase(" in rule["expr"] and rule["alert"] == "RecsysRolledBack"
    assert once or re.fullmatch(r"[1-9]\d*[mh]", rule["for"])
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["description"].endswith(".")
    slug = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
    assert notes["runbook_url"].endswith(f"/operations/runbook/#{slug}")


def test_each_alert_has_one_name_and_every_part_that_can_fail_has_one() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    told = " ".join(rule["expr"] for rule in alerts())
    watched = (
        *("up", "recsys_ready", "recsys_requests_total", "recsys_request_seconds_bucket"),
        *("recsys_slate_fill_ratio_sum", "recsys_bundle_created_timestamp_seconds"),
        *("recsys_store_followed_timestamp_seconds", "recsys_newest_event_timestamp_seconds"),
        *("recsys_spool_rows", "recsys_job_last_run_failed", "recsys_rollbacks_total"),
        "recsys_job_last_success_timestamp_seconds",
    )
    assert [name for name in watched if not re.search(rf"\b{name}\b", told)] == []


def test_the_dashboard_is_whole() -> None:
    made = board()
    assert made["uid"] == "recsys"
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {one["name"] for one in made["templating"]["list"]}
    text = json.dumps(made)
    assert set(re.findall(r"\$\{?([a-z]\w*)", text)) <= variables
    places = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)), "panels overlap"
    assert max(x for x, _ in places) < 24
    for panel in panels:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["fieldConfig"]["defaults"]["unit"]
    # Whatever is counted is drawn: a metric that nobody looks at need not be there.
    seen = set(re.findall(r"recsys_\w+", text))
    unseen = {n for n in METRICS if not any(s.startswith(n) for s in seen)}
    assert unseen <= {
        *("recsys_ready", "recsys_refreshed_timestamp_seconds"),  # alerts, and Behind the store
        *("recsys_spool_delivered_total", "recsys_spool_rejected_total"),
    }


def test_prometheus_reads_the_alerts_and_grafana_the_dashboard() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == [ALERTS.name]
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == "recsys"
    assert scrape["honor_labels"] is True  # the metrics of jobs have a label of that name
    provisioning = DEPLOY / "grafana" / "provisioning"
    for path in ("datasources/prometheus.yml", "dashboards/recsys.yml"):
        assert yaml.safe_load((provisioning / path).read_text("utf-8"))["apiVersion"] == 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", DEPLOY / "prometheus" / "prometheus.yml"),
        ("check", "rules", ALERTS),
        ("test", "rules", Path(__file__).with_name("alerts_test.yml")),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_finds_nothing_wrong(words: tuple[str | Path, ...]) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
