"""Overlays through the tools, in both protocol eras and over a real socket (FR-015..019, S12, P11)."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client

from panaversity_fs.api.server import mcp_server
from panaversity_fs.app import build_service
from panaversity_fs.core.digest import digest_of
from support import stack
from support.live import LiveServer

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
LESSON = "content/01-Part/02-Chapter/03-lesson.md"
ALICE, BOB = "alice", "bob"
Call = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def _talking(url_or_server: Any, era: Any) -> Any:
    """A call that answers the structured object, or the error body of a refusal."""
    async with Client(url_or_server, mode=era) as client:

        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            meta = {"agent_id": "an-agent"}
            result = await client.call_tool(tool, arguments, meta=meta, raise_on_error=False)
            if result.is_error:
                return dict(json.loads(result.content[0].text)["error"])
            assert "text" not in result.structured_content
            return dict(result.structured_content)

        yield call


def in_memory(store: Path, era: str) -> AbstractAsyncContextManager[Call]:
    service = build_service(stack.settings(store), "in-memory")
    return _talking(mcp_server(service), era)  # type: ignore[no-any-return]


async def the_whole_story(call: Call, book: str) -> None:
    """Base, overlay, conflict, list, orphan, fall back."""
    at = {"book_id": book, "path": LESSON}
    await call("write_content", **at, content="base")
    plan = await call("plan_build", book_id=book)
    mine = await call("write_content", **at, content="mine", user_id=ALICE)
    assert (mine["mode"], mine["namespace"], mine["file_hash"]) == ("created", "overlay", digest_of(b"mine"))
    assert mine["source_path"] == LESSON.removeprefix("content/")
    read = await call("read_content", **at, user_id=ALICE)
    assert (read["content"], read["source"], read["orphaned"]) == ("mine", "overlay", False)
    for other in ({}, {"user_id": BOB}):
        base = await call("read_content", **at, **other)
        assert (base["content"], base["source"]) == ("base", "base")
        assert "orphaned" not in base
    blind = await call("write_content", **at, content="x", user_id=ALICE)
    assert (blind["code"], blind["current_hash"]) == ("HASH_REQUIRED", digest_of(b"mine"))
    stale = await call("write_content", **at, content="x", user_id=ALICE, expected_hash=digest_of(b"base"))
    assert (stale["code"], stale["current_hash"]) == ("CONFLICT", digest_of(b"mine"))
    absent = await call("write_content", **at, content="x", user_id=BOB, expected_hash=digest_of(b"base"))
    assert absent["code"] == "NOT_FOUND"
    again = await call("plan_build", book_id=book)
    assert {**again, "checkpoint": None} == {**plan, "checkpoint": None}  # the log is of the whole book
    assert (await call("delete_content", **at))["namespace"] == "base"
    assert (await call("read_content", **at, user_id=BOB))["code"] == "NOT_FOUND"
    listed = await call("read_content", book_id=book, scope="book", user_id=ALICE)
    assert [(f["path"], f["content"], f["source"], f["orphaned"]) for f in listed["files"]] == [
        (LESSON, "mine", "overlay", True)
    ]
    assert (await call("read_content", book_id=book, scope="book"))["files"] == []
    gone = await call("delete_content", **at, user_id=ALICE)
    assert (gone["existed"], gone["namespace"]) == (True, "overlay")
    assert (await call("delete_content", **at, user_id=ALICE))["existed"] is False
    assert (await call("read_content", **at, user_id=ALICE))["code"] == "NOT_FOUND"


@ERAS
def test_FR_015_FR_016_FR_017_FR_019_the_tools_tell_the_whole_story(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with in_memory(tmp_path / "s", era) as call:
            await the_whole_story(call, "bk")

    anyio.run(test)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as live:
        yield live


@ERAS
def test_FR_016_the_same_over_a_socket(server: LiveServer, era: str) -> None:
    async def test() -> None:
        async with _talking(f"{server.url}/mcp", era) as call:
            await the_whole_story(call, f"story-{era}")

    anyio.run(test)


HOSTILE = ["", "__base__", "__BASE__", "system", "SYSTEM", "ｓｙｓｔｅｍ", "Syſtem", "B%", "../B", "alice ", "x" * 129]


@pytest.mark.parametrize("tool", ["read_content", "write_content", "delete_content"])
@pytest.mark.parametrize("user", HOSTILE)
def test_S12_no_tool_takes_a_sentinel_for_a_user(server: LiveServer, tool: str, user: str) -> None:
    more = {"content": "x"} if tool == "write_content" else {}
    answer = server.call(tool, book_id="s12", path=LESSON, user_id=user, **more)
    assert answer.code == "INVALID_ARGUMENT"
    assert "user_id" in answer.error["message"]
    assert server.call("list_books", book_id="s12").structured["count"] == 0


def test_S14_P11_the_data_plane_serves_nothing_of_an_overlay(server: LiveServer) -> None:
    book, secret = "s14", digest_of(b"secret")
    server.call("write_content", book_id=book, path=LESSON, content="base")
    server.call("write_content", book_id=book, path=LESSON, content="secret", user_id=ALICE)
    manifest = server.call("plan_build", book_id=book).structured["manifest_hash"]
    pack = json.dumps({"manifest": manifest, "digests": [secret]}).encode()
    unknown = server.request("GET", f"/books/{book}/blobs/{digest_of(b'unknown')}")
    for answer in (
        server.request("GET", f"/books/{book}/blobs/{secret}"),
        server.request("GET", f"/books/{book}/blobs/{secret}?manifest={manifest}"),
        server.request("POST", f"/books/{book}/packs", pack),
    ):
        assert (answer.status, answer.code) == (unknown.status, unknown.code) == (404, "NOT_FOUND")
    assert server.request("GET", f"/books/{book}/files/{LESSON}").body == b"base"
    put = server.request("PUT", f"/books/{book}/blobs/{secret}", b"secret")
    fresh = server.request("PUT", f"/books/{book}/blobs/{digest_of(b'fresh')}", b"fresh")
    assert put.status == fresh.status == 201


def test_a_list_pages_over_base_and_overlay_together(server: LiveServer) -> None:
    book = "paged"
    paths = [f"content/01-Part/01-Chapter/{n:02}-x.md" for n in range(1, 5)]
    for path in paths[:3]:
        server.call("write_content", book_id=book, path=path, content="base")
    for path in paths[2:]:
        server.call("write_content", book_id=book, path=path, content="mine", user_id=ALICE)
    read = server.call("read_content", book_id=book, path="content/01-Part/01-Chapter", scope="chapter", user_id=ALICE)
    assert [(f["path"], f["source"], f["content"]) for f in read.structured["files"]] == [
        (paths[0], "base", "base"),
        (paths[1], "base", "base"),
        (paths[2], "overlay", "mine"),
        (paths[3], "overlay", "mine"),
    ]
    assert read.structured["total_files"] == 4


def test_an_overlay_is_read_in_windows_like_any_lesson(server: LiveServer) -> None:
    book = "windows"
    server.call("write_content", book_id=book, path=LESSON, content="one\r\ntwo\nthree", user_id=ALICE)
    part = server.call("read_content", book_id=book, path=LESSON, user_id=ALICE, start_line=2, limit=1).structured
    assert (part["content"], part["next_start_line"], part["source"]) == ("two\n", 3, "overlay")


def test_an_overlay_too_long_for_a_list_is_not_answered_with_the_bases_url(server: LiveServer) -> None:
    book = "long"
    server.call("write_content", book_id=book, path=LESSON, content="base")
    server.call("write_content", book_id=book, path=LESSON, content="x" * 1_100_000, user_id=ALICE)
    (file,) = server.call("read_content", book_id=book, scope="book", user_id=ALICE).structured["files"]
    assert (file["content"], file["url"], file["source"]) == (None, None, "overlay")
