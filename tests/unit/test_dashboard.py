"""The dashboard and the alert rules ask only for series and labels that a server really exports."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from panaversity_fs.metrics import Metrics, Scrape
from support.live import app_client
from support.scraped import Scraped, scraped

FOLDER = Path(__file__).parents[2] / "observability"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
ADDED_BY_PROMETHEUS = {"instance", "job"}
NAME = re.compile(r"\b([a-zA-Z_:]+_[a-zA-Z0-9_:]+)\b(?:\{([^}]*)\})?")
FUNCTIONS = {"histogram_quantile", "label_values"}


def expressions() -> dict[str, str]:
    """Where → expression, of both files."""
    found = {f"panel {p['title']} {t['refId']}": t["expr"] for p in DASHBOARD["panels"] for t in p.get("targets", [])}
    found |= {f"variable {v['name']}": v["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"}
    return found | {f"alert {rule['alert']}": rule["expr"] for rule in rules()}


def rules() -> Iterator[dict[str, Any]]:
    for group in ALERTS["groups"]:
        yield from group["rules"]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """(series, labels it is chosen by) of every selector; text in quotes and groupings are left out."""
    bare = re.sub(r'"[^"]*"', '""', re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", expression))
    for name, matchers in NAME.findall(bare):
        if name not in FUNCTIONS and not name.startswith("__"):
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


@pytest.fixture(scope="module")
def exported() -> Scraped:
    """What an app that was told of one tool and one route exports; the scrape tests fill the rest."""
    metrics = Metrics("0")
    for door in ("mcp", "http"):
        metrics.expect(door, ["x"])
    metrics.expect_codes(["INTERNAL", "HASH_MISMATCH"])
    return scraped(metrics.text(Scrape(True, True, False, False, {"bk": 1})).decode())


def test_there_is_something_to_check() -> None:
    assert len(expressions()) > 35
    assert len(list(rules())) > 10


@pytest.mark.parametrize("where", expressions())
def test_an_expression_asks_for_series_and_labels_that_exist(where: str, exported: Scraped) -> None:
    expression = expressions()[where]
    asked = list(selectors(expression))
    ours = [(name, labels) for name, labels in asked if name.startswith("panaversityfs_")]
    assert ours or re.search(r"\bup\{", expression), f"{expression}: asks for nothing of ours"
    grouped = {g.strip() for by in re.findall(r"by\s*\(([^)]*)\)", expression) for g in by.split(",")}
    for name, labels in ours:
        assert name in exported.samples, f"{name} is not exported"
        known = exported.labels(name) | ADDED_BY_PROMETHEUS
        assert labels <= known, f"{name} has no {labels - known}"
        assert grouped <= known, f"{name} has no {grouped - known}"


def test_the_values_that_alerts_choose_by_exist(exported: Scraped) -> None:
    values = exported.values() | {"panaversity-fs", "write_content"}
    for rule in rules():
        for chosen in re.findall(r'=~?"([^"]*)"', rule["expr"]):
            assert set(chosen.split("|")) <= values, f"{rule['alert']}: {chosen}"


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
    assert len({rule["alert"] for rule in rules()}) == len(list(rules()))


def test_panels_are_told_apart() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(places)) == len(places)


@pytest.mark.anyio
async def test_a_running_app_exports_every_series_they_ask_for(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        arguments = {"book_id": "bk", "path": "content/01-Part/01-Chapter/01-lesson.md", "content": "one"}
        params = {"name": "write_content", "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        assert (await client.post("/mcp", json=body)).status_code == 200
        found = scraped((await client.get("/metrics")).text)
    asked = {name for text in expressions().values() for name, _ in selectors(text) if name.startswith("panav")}
    assert asked - found.samples.keys() == set()
    assert found("requests_total", door="mcp", name="write_content", outcome="ok") == 1
    assert found("errors_total", code="INTERNAL") == 0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
