"""MCP over a real socket: both eras of a third party's client, plain POSTs, golden errors, races."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastmcp import Client

from panaversity_fs.core.digest import EMPTY, digest_of
from support.live import LiveServer, ToolAnswer, tool_answer

LESSON = "content/01-Part/02-Chapter/03-lesson.md"
GOLDEN = Path(__file__).parents[1] / "golden" / "mcp_errors.json"
TOOLS = GOLDEN.with_name("tools.json")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as live:
        yield live


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_third_partys_client_writes_reads_conflicts_and_plans(server: LiveServer, era: Any) -> None:
    book = f"client-{era}"

    async def test() -> None:
        async with Client(f"{server.url}/mcp", mode=era) as client:
            names = {tool["name"] for tool in json.loads(TOOLS.read_text(encoding="utf-8"))["tools"]}
            assert {tool.name for tool in await client.list_tools()} == names

            async def call(tool: str, **arguments: Any) -> Any:
                return await client.call_tool(tool, arguments, meta={"agent_id": "third"}, raise_on_error=False)

            wrote = await call("write_content", book_id=book, path=LESSON, content="one")
            assert wrote.structured_content["mode"] == "created"
            read = await call("read_content", book_id=book, path=LESSON)
            current = read.structured_content["file_hash_sha256"]
            done = await call("write_content", book_id=book, path=LESSON, content="two", expected_hash=current)
            assert done.structured_content["mode"] == "updated"
            stale = await call("write_content", book_id=book, path=LESSON, content="three", expected_hash=current)
            assert stale.is_error
            error = json.loads(stale.content[0].text)["error"]
            assert (error["code"], error["current_hash"]) == ("CONFLICT", digest_of(b"two"))
            plan = await call("plan_build", book_id=book)
            assert plan.structured_content["changed_count"] == 1

    anyio.run(test)


def modern(server: LiveServer, tool: str, **arguments: Any) -> ToolAnswer:
    """One call of the sessionless era, with the envelope it demands."""
    prefix = "io.modelcontextprotocol/"
    envelope = {
        f"{prefix}protocolVersion": "2026-07-28", f"{prefix}clientInfo": {"name": "curl", "version": "1"},
        f"{prefix}clientCapabilities": {},
    }  # fmt: skip
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": envelope}}  # fmt: skip
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}  # fmt: skip
    answer = server.request("POST", "/mcp", json.dumps(body).encode(), headers, agent=None)
    assert answer.status == 200, answer.body
    return tool_answer(answer.json()["result"])


def test_a_modern_client_is_known_by_its_client_info(server: LiveServer) -> None:
    assert modern(server, "create_book", book_id="modern").structured["status"] == "success"
    assert modern(server, "create_book", book_id="modern").code == "CONFLICT"


def test_a_legacy_post_without_any_name_may_read_only(server: LiveServer) -> None:
    assert server.call("list_books", agent=None).is_error is False
    assert server.call("create_book", agent=None, book_id="nobody").code == "AGENT_REQUIRED"


def golden_calls(server: LiveServer) -> dict[str, dict[str, Any]]:
    """One refused call per code that a tool can meet, as it goes over the wire."""
    book, path = "golden", LESSON
    server.call("write_content", book_id=book, path=path, content="x")
    refusals = {
        "INVALID_ARGUMENT": {"tool": "read_content", "book_id": "B", "path": path},
        "INVALID_ARGUMENT (form)": {"tool": "read_content", "book_id": book, "path": path, "limit": "many"},
        "INVALID_PATH": {"tool": "write_content", "book_id": book, "path": "content/../x.md", "content": "x"},
        "SCHEMA_VIOLATION": {"tool": "write_content", "book_id": book, "path": "lessons/x.md", "content": "x"},
        "NOT_FOUND": {"tool": "read_content", "book_id": book, "path": "content/01-A/01-B/01-c.md"},
        "NOT_FOUND (tool)": {"tool": "no_such_tool"},
        "HASH_REQUIRED": {"tool": "write_content", "book_id": book, "path": path, "content": "y"},
        "CONFLICT": {"tool": "write_content", "book_id": book, "path": path, "content": "y", "expected_hash": EMPTY},
        "AGENT_REQUIRED": {"tool": "delete_content", "book_id": book, "path": path, "agent": "system"},
        "BLOBS_MISSING": {"tool": "upload_asset", "book_id": book, "asset_type": "img", "filename": "x.png",
                          "sha256": digest_of(b"nobody sent this")},
    }  # fmt: skip
    return {name: server.call(call.pop("tool"), **call).raw for name, call in refusals.items()}  # type: ignore[arg-type]


def test_the_wire_form_of_tool_errors_is_the_golden_one(server: LiveServer) -> None:
    found = golden_calls(server)
    if os.environ.get("PANAVERSITY_GOLDEN_UPDATE") == "1":
        GOLDEN.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))
    for name, result in found.items():
        assert result["isError"] is True
        assert "structuredContent" not in result
        error = json.loads(result["content"][0]["text"])["error"]
        assert name.partition(" ")[0] == error["code"] == result["_meta"]["error_code"]
        assert result["content"][0]["text"] == json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"))


def race(server: LiveServer, calls: list[dict[str, Any]]) -> list[ToolAnswer]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: server.call("write_content", book_id="race", **call), calls))


def test_SC_003_P5_of_16_concurrent_creates_exactly_one_wins(server: LiveServer) -> None:
    answers = race(server, [{"path": LESSON, "content": f"text {n}"} for n in range(16)])
    (winner,) = [a for a in answers if not a.is_error]
    losers = [a for a in answers if a.is_error]
    assert winner.structured["mode"] == "created"
    assert {a.code for a in losers} == {"HASH_REQUIRED"}
    assert {a.error["current_hash"] for a in losers} == {winner.structured["file_hash"]}


def test_SC_003_P5_of_16_concurrent_updates_exactly_one_wins(server: LiveServer) -> None:
    path = LESSON.replace("03", "04")
    before = server.call("write_content", book_id="race", path=path, content="before").structured["file_hash"]
    calls = [{"path": path, "content": f"text {n}", "expected_hash": before} for n in range(16)]
    answers = race(server, calls)
    (winner,) = [a for a in answers if not a.is_error]
    losers = [a for a in answers if a.is_error]
    assert winner.structured["mode"] == "updated"
    assert {a.code for a in losers} == {"CONFLICT"}
    assert {a.error["current_hash"] for a in losers} == {winner.structured["file_hash"]}
    now = server.call("read_content", book_id="race", path=path).structured
    assert now["file_hash_sha256"] == winner.structured["file_hash"]


@pytest.mark.parametrize(("asked", "coding"), [("gzip, zstd", "gzip"), ("identity", None)])
def test_a_long_answer_is_compressed_for_who_takes_it_and_a_lesson_is_not(
    server: LiveServer, asked: str, coding: str | None
) -> None:
    book = f"long-{asked[:4]}"
    text = "The same words again and again. " * 1000
    server.call("write_content", book_id=book, path=LESSON, content=text)
    headers = {"Accept-Encoding": asked, "Accept": "application/json, text/event-stream"}

    def answered(tool: str, **arguments: Any) -> tuple[str | None, int, Any]:
        params = {"name": tool, "arguments": {"book_id": book, **arguments}}
        frame = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = httpx.post(f"{server.url}/mcp", json=frame, headers=headers)
        return answer.headers.get("Content-Encoding"), answer.num_bytes_downloaded, answer.json()["result"]

    said, length, result = answered("plan_build", text_within=65536)
    assert result["structuredContent"]["texts"] == {digest_of(text.encode()): text}
    assert (said, length < 4000) == (coding, coding is not None)
    assert answered("plan_build")[0] is None


def test_more_text_with_a_plan_than_the_bound_is_refused(server: LiveServer) -> None:
    answer = server.call("plan_build", book_id="any", text_within=65537)
    assert answer.error["code"] == "INVALID_ARGUMENT"


def test_S5_bad_frames_do_not_stop_the_server(server: LiveServer) -> None:
    pid = server.pid
    for body in (b"", b"{", b"[]", b"null", b"\xff", b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","id":1,"method":"x"}',
                 b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1,"arguments":[]}}',
                 b"[" * 100_000):  # fmt: skip
        answer = server.request("POST", "/mcp", body, {"Content-Type": "application/json"})
        assert answer.status < 500, (body[:80], answer.body)
    assert server.call("list_books").is_error is False
    assert server.pid == pid
