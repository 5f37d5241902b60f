"""Paths that mean harm, through every tool that takes a path: refused by the grammar before anything is looked up or
stored (S18, R1, SC-005, FR-009; the grammar itself is tested in ``tests/property``).

Generated with a seed (``PANAVERSITY_TEST_SEED``); the tools come from the server's own list.
"""

import os
import random
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panaversity_fs.core.errors import InvalidPath
from panaversity_fs.core.paths import require_path
from support.every_tool import BOOK, PATHS, Tool, call, list_tools
from support.hostile_paths import HOSTILE, generated
from support.live import app_client

FULL = os.environ.get("PANAVERSITY_TEST_FULL", "") == "1"
SEED = int(os.environ.get("PANAVERSITY_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
COUNT = 20_000 if FULL else 1_000
FILTERS = {"query_audit_log"}
"""Tools whose path is a pattern to compare with: it names no file."""


def refused(path: str) -> bool:
    try:
        require_path(path, "test")
    except InvalidPath:
        return True
    return False


async def taking_paths(client: Any) -> list[tuple[Tool, str]]:
    """(tool, its path argument) of every tool that has one."""
    tools = [
        (tool, name) for tool in await list_tools(client) for name in PATHS
        if name in tool.properties and tool.name not in FILTERS
    ]  # fmt: skip
    assert {"read_content", "write_content", "delete_content", "upload_asset"} <= {tool.name for tool, _ in tools}
    return tools


def test_the_generated_paths_are_all_hostile() -> None:
    paths = generated(COUNT, SEED)
    assert len(set(paths)) == COUNT
    assert [path for path in paths if not refused(path)] == []


def test_S18_R1_SC_005_hostile_paths_are_refused_by_every_tool_that_takes_one(tmp_path: Path) -> None:
    """Each path goes to one tool in turn (to every one of them in a full run)."""

    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            tools, calls = await taking_paths(client), 0
            for number, path in enumerate(generated(COUNT, SEED)):
                for tool, name in tools if FULL else [tools[number % len(tools)]]:
                    answer = await call(client, tool.name, tool.good(**{name: path}))
                    calls += 1
                    assert answer.code in ("INVALID_PATH", "INVALID_ARGUMENT"), (SEED, tool.name, path, answer.raw)
            books = await call(client, "list_books", {})
            assert books.structured["books"] == []
            print(f"seed {SEED}: {calls} calls of {len(tools)} tools")
            assert calls >= COUNT

    anyio.run(test)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"], "something was written beside the store"
    assert not list((tmp_path / "store").glob("books/**/*"))


def test_S18_the_curated_corpus_is_refused_by_every_tool(tmp_path: Path) -> None:
    """Also those with lone surrogates, which only JSON's escapes can carry."""

    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            tools = await taking_paths(client)
            for number, (path, _) in enumerate(HOSTILE):
                for tool, name in tools if FULL else tools[number % 3 :: 3]:
                    answer = await call(client, tool.name, tool.good(**{name: path}))
                    assert answer.code in ("INVALID_PATH", "INVALID_ARGUMENT", "PARSE_ERROR"), (
                        tool.name,
                        path,
                        answer.raw,
                    )

    anyio.run(test)


@pytest.mark.timeout(600)
def test_S18_the_tools_and_the_grammar_agree_on_any_text(tmp_path: Path) -> None:
    """What the grammar refuses every door refuses with INVALID_PATH; what it takes is never called an invalid path."""
    words = st.text(st.sampled_from("aA0-_. /\\%\x00\u0301é漢%:~"), max_size=12) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=20
    )

    async def test() -> None:
        async with app_client(tmp_path / "store") as client:
            ask = anyio.from_thread.run

            @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=2000 if FULL else 50)
            @given(tail=words)
            def agree(tail: str) -> None:
                path = "content/" + tail
                answer = ask(call, client, "read_content", {"book_id": BOOK, "path": path})
                if refused(path):
                    assert answer.code == "INVALID_PATH", (path, answer.raw)
                else:
                    assert answer.code == "NOT_FOUND", (path, answer.raw)

            await anyio.to_thread.run_sync(agree)

    anyio.run(test)
