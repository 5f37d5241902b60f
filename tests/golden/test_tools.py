"""The list of tools, resources and prompts is a promise: a golden file holds names, schemas and hints (S8)."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client

from panaversity_fs.api.permissions import PROMPTS, RESOURCES, TOOLS
from panaversity_fs.api.server import mcp_server
from panaversity_fs.app import build_service
from panaversity_fs.config import Settings

GOLDEN = Path(__file__).with_name("tools.json")
HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}


@pytest.fixture(scope="module", params=["auto", "legacy"])
def listed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything a client can ask the server to list, as it goes over the wire, in this era of the protocol."""
    store = tmp_path_factory.mktemp("golden")

    async def ask() -> dict[str, Any]:
        service = build_service(Settings.read({}, store=str(store)), "golden")
        async with Client(mcp_server(service), mode=request.param) as client:
            found = {
                "tools": await client.list_tools(),
                "resource_templates": await client.list_resource_templates(),
                "prompts": await client.list_prompts(),
            }
        return {kind: [_plain(item) for item in items] for kind, items in found.items()}

    return anyio.run(ask)


def _plain(item: Any) -> dict[str, Any]:
    fields = item.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in fields.items() if name != "_meta"}


def test_S8_the_list_of_tools_is_the_golden_one(listed: dict[str, Any]) -> None:
    text = json.dumps(listed, ensure_ascii=False, indent=1, sort_keys=True)
    kept = {"sha256": hashlib.sha256(text.encode()).hexdigest(), **listed}
    if os.environ.get("PANAVERSITY_GOLDEN_UPDATE") == "1":
        GOLDEN.write_text(json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert kept == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_tool_sets_all_four_hints_and_describes_itself_and_its_arguments(listed: dict[str, Any]) -> None:
    assert len(listed["tools"]) >= 22
    for tool in listed["tools"]:
        assert tool["annotations"].keys() >= HINTS, tool["name"]
        assert len(tool["description"]) >= 20, tool["name"]
        schema = tool["inputSchema"]
        assert schema["additionalProperties"] is False, tool["name"]
        for name, field in schema["properties"].items():
            assert field.get("description"), f"{tool['name']}: {name}"


def test_S13_what_is_listed_has_a_row_in_the_authorisation_table(listed: dict[str, Any]) -> None:
    assert {tool["name"] for tool in listed["tools"]} <= TOOLS.keys()
    assert {template["uriTemplate"] for template in listed["resource_templates"]} == RESOURCES.keys()
    assert [prompt["name"] for prompt in listed["prompts"]]
    assert PROMPTS is not None


def test_the_hints_agree_with_the_authorisation_table(listed: dict[str, Any]) -> None:
    for tool in listed["tools"]:
        if TOOLS[tool["name"]].need == "read":
            assert tool["annotations"]["readOnlyHint"] is True, tool["name"]
        if TOOLS[tool["name"]].need == "write":
            assert tool["annotations"]["readOnlyHint"] is False, tool["name"]


def test_a_mutating_tool_of_one_file_takes_a_condition_and_a_key(listed: dict[str, Any]) -> None:
    for tool in listed["tools"]:
        arguments = tool["inputSchema"]["properties"]
        if not tool["annotations"]["readOnlyHint"] and ("path" in arguments or "filename" in arguments):
            assert arguments.keys() >= {"expected_hash", "idempotency_key"}, tool["name"]
