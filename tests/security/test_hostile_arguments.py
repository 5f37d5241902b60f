"""Text that means harm to a database, a terminal or a parser, in every text argument of every tool: taken literally or
refused, never a wildcard, never a bug (S6, S21, S27, P14). The tools come from the server's own list.
"""

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from panaversity_fs.core.digest import digest_of
from support.every_tool import BOOK, Tool, call, list_tools
from support.live import app_client

CANARY = "canary-in-the-lesson-4711"
SECRET_PATH = "content/09-Secret/09-Place/09-nest.md"
WILD = ["%", "_", "%%", "a%", "__________", "\\", "\\%", "*", "?", "[a-z]", ".*"]
INJECTED = [
    "'",
    '"',
    "' OR '1'='1",
    "'--",
    "'; DROP TABLE books;--",
    '" OR 1=1 --',
    "1; SELECT 1",
    "') UNION SELECT 1--",
    "{{7*7}}",
    "${7*7}",
    "$(id)",
    "`id`",
    "%s%n%x",
    "%(book_id)s",
    ":book_id",
    "{0}",
    "../../etc/passwd",
]
BROKEN = [
    "\x00",
    "a\x00b",
    "\ud800",
    "a\udfff",
    "\ufffe",
    "\x1b[31m",
    "a\nb",
    '\n{"level":"error"}',
    "\u2028",
    "\u202e",
]
LONG = ["x" * 5_000, "é" * 3_000]
FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
"""All texts in all arguments; else a third of them in each argument, so that every text and every argument comes."""
HOSTILE = [*WILD, *INJECTED, *BROKEN, *LONG]
FREE = {"content", "new_text", "old_text", "binary_data"}
"""What a caller may say freely: it is stored or compared, never looked up."""
PATTERNS = {"pattern"}
"""Wildcards mean something here; that they cannot do harm is tested with the searches."""


async def prepared(client: Any) -> list[Tool]:
    await call(client, "create_book", {"book_id": BOOK})
    written = await call(client, "write_content", {"book_id": BOOK, "path": SECRET_PATH, "content": CANARY})
    assert not written.is_error, written.raw
    return await list_tools(client)


def test_S6_S21_hostile_text_in_every_argument_of_every_tool_is_literal_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            tools = await prepared(client)
            before = (await call(client, "plan_build", {"book_id": BOOK})).structured["manifest_hash"]
            places = [(tool, name) for tool in tools for name in tool.strings()]
            assert len(places) >= 25, [tool.name for tool, _ in places]
            calls = 0
            for number, (tool, name) in enumerate(places):
                for text in HOSTILE if FULL else HOSTILE[number % 3 :: 3]:
                    answer = await call(client, tool.name, tool.good(**{name: text}))
                    calls += 1
                    said = str(answer.raw)
                    assert answer.code != "INTERNAL", (tool.name, name, text, said[:500])
                    if name not in FREE | PATTERNS:
                        assert CANARY not in said, (tool.name, name, text)
                        if answer.code == "INVALID_ARGUMENT" and len(text) > 100:
                            assert text not in said, "a refusal does not repeat what it was sent"
            after = (await call(client, "plan_build", {"book_id": BOOK})).structured
            names = {book["book_id"] for book in (await call(client, "list_books", {})).structured["books"]}
            assert BOOK in names
            assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names), names
            read = await call(client, "read_content", {"book_id": BOOK, "path": SECRET_PATH})
            assert read.structured["file_hash_sha256"] == digest_of(CANARY.encode())
            moved = after["manifest_hash"] != before
            print(f"{calls} calls, {len(places)} arguments of {len(tools)} tools; manifest moved: {moved}")

    anyio.run(test)
    assert CANARY not in caplog.text
    assert "Traceback" not in caplog.text


def test_S21_NUL_and_lone_surrogates_are_refused_wherever_something_is_looked_up(tmp_path: Path) -> None:
    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            for tool in await prepared(client):
                for name in set(tool.strings()) & {"book_id", "path", "filename", "user_id", "expected_hash", "sha256"}:
                    for text in ("\x00", "a\x00", "\ud800", "a\udc00b"):
                        answer = await call(client, tool.name, tool.good(**{name: text}))
                        assert answer.is_error or name not in tool.schema.get("required", []), (tool.name, name, text)
                        assert answer.code not in ("INTERNAL", "UNAVAILABLE"), (tool.name, name, text, answer.raw)

    anyio.run(test)


def test_S6_unknown_arguments_and_wrong_kinds_are_argument_errors_of_every_tool(tmp_path: Path) -> None:
    kinds: list[Any] = [None, 1, -1, 1.5, 1e308, True, [], [[]], {}, {"$ref": "x"}, "", 2**63, -(2**63)]

    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            for tool in await prepared(client):
                answer = await call(client, tool.name, tool.good(no_such_argument=1))
                assert answer.code == "INVALID_ARGUMENT", (tool.name, answer.raw)
                for number, name in enumerate(tool.properties):
                    for value in kinds if FULL else kinds[number % 2 :: 2]:
                        answer = await call(client, tool.name, tool.good(**{name: value}))
                        assert answer.code not in ("INTERNAL", "UNAVAILABLE"), (tool.name, name, value, answer.raw)

    anyio.run(test)
