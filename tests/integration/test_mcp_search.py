"""The search tools through FastMCP's own client: field names, cursors, refusals, overlays."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client

from panaversity_fs.api.server import mcp_server
from panaversity_fs.api.tools_search import from_place, to_place
from panaversity_fs.app import build_service
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.library import Place
from support import stack

BOOK = "bk"


def lesson(number: int) -> str:
    return f"content/01-Part/02-Chapter/{number:02}-lesson.md"


@asynccontextmanager
async def talking(store: Path) -> AsyncIterator[Client[Any]]:
    """A client of a book of ten lessons; each holds its number in words on its third line."""
    service = build_service(stack.settings(store), "in-memory")
    async with Client(mcp_server(service)) as client:
        for number in range(10):
            text = f"# Lesson\r\n\nnumber {number}\n"
            await call(client, "write_content", path=lesson(number), content=text)
        yield client


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, {"book_id": BOOK, **arguments}, meta={"agent_id": "me"})
    assert result.structured_content is not None
    return dict(result.structured_content)


async def refused(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, {"book_id": BOOK, **arguments}, raise_on_error=False)
    assert result.is_error
    return dict(json.loads(result.content[0].text)["error"])  # type: ignore[union-attr]


async def pages(client: Client[Any], tool: str, field: str, **arguments: Any) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        answer = await call(client, tool, cursor=cursor, **arguments)
        assert answer["count"] == len(answer[field])
        found += answer[field]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def test_S19_S20_both_searches_answer_in_the_fixed_words(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s") as client:
            found = await call(client, "grep_search", pattern="number [37]$")
            assert found["matches"] == [
                {"path": lesson(n), "line_number": 3, "matched_line": f"number {n}"} for n in (3, 7)
            ]
            assert (found["files_searched"], found["skipped"], found["next_cursor"]) == (10, [], None)
            paths = await call(client, "glob_search", pattern="**/0[37]-*.md")
            assert paths == {"paths": [lesson(3), lesson(7)], "count": 2, "next_cursor": None}

    anyio.run(test)


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_F68_pages_join_to_the_whole(tmp_path: Path, size: int) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s") as client:
            assert await pages(client, "glob_search", "paths", pattern="**", max_results=size) == [
                lesson(n) for n in range(10)
            ]
            hits = await pages(client, "grep_search", "matches", pattern="Lesson|number", max_results=size)
            assert [(h["path"], h["line_number"]) for h in hits] == [
                (lesson(n), line) for n in range(10) for line in (1, 3)
            ]

    anyio.run(test)


def test_R5_user_id_adds_the_own_overlay(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s") as client:
            await call(client, "write_content", path=lesson(20), content="mine alone", user_id="ann")
            for user, expected in (("ann", 1), ("bob", 0), (None, 0)):
                assert (await call(client, "grep_search", pattern="mine", user_id=user))["count"] == expected
                assert (await call(client, "glob_search", pattern="**/20-*", user_id=user))["count"] == expected
            assert (await refused(client, "grep_search", pattern="mine", user_id="system"))[
                "code"
            ] == "INVALID_ARGUMENT"

    anyio.run(test)


def test_S19_S20_refusals_are_explained(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s") as client:
            for tool, arguments, says in [
                ("grep_search", {"pattern": r"(a)\1"}, "back-reference"),
                ("grep_search", {"pattern": "a" * 600}, "512"),
                ("grep_search", {"pattern": "a", "max_results": 1001}, "1000"),
                ("grep_search", {"pattern": "a", "max_results": 0}, "1"),
                ("grep_search", {"pattern": "a", "cursor": "nonsense"}, "cursor"),
                ("glob_search", {"pattern": "*a" * 9}, "stars"),
                ("glob_search", {"pattern": "{a,b}"}, "braces"),
                ("glob_search", {"pattern": "a", "cursor": "!"}, "cursor"),
            ]:
                error = await refused(client, tool, **arguments)
                assert error["code"] == "INVALID_ARGUMENT"
                assert says in error["message"] + error.get("hint", ""), (tool, arguments)

    anyio.run(test)


@pytest.mark.parametrize("place", [Place("content/a.md"), Place("content/a.md", 0), Place("content/ü.md", 12_345)])
def test_a_place_survives_as_a_cursor(place: Place) -> None:
    assert from_place(to_place(place), "grep_search") == place


@pytest.mark.parametrize(
    "text", ["content/a.md", "content/a.md:x", "content/a.md:-1", "content/a.md:²", "a:1234567890"]
)
def test_a_cursor_of_another_form_is_refused(text: str) -> None:
    from panaversity_fs.api.paging import to_cursor

    with pytest.raises(InvalidArgument):
        from_place(to_cursor(text), "grep_search")
