"""Tools called through FastMCP's own client, in memory, in either era of the protocol.

Knows how to open a server and to tell an answer from a refusal; does not know what any tool answers.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from panaversity_fs.api.server import mcp_server
from panaversity_fs.app import build_service
from support import stack

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
LESSON = "content/01-Part/02-Chapter/03-lesson.md"
PIXEL = b"\x89PNG\r\n\x1a\n-not-really"


class Caller:
    """Calls tools; ``call`` expects success and answers the object, ``refused`` expects an error and answers it."""

    def __init__(self, client: Client[Any], meta: dict[str, Any] | None) -> None:
        self.client, self.meta = client, meta

    async def raw(self, tool: str, **arguments: Any) -> Any:
        return await self.client.call_tool(tool, arguments, meta=self.meta, raise_on_error=False)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.raw(tool, **arguments)
        assert not result.is_error, result.content
        assert result.structured_content is not None
        return dict(result.structured_content)

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.raw(tool, **arguments)
        assert result.is_error
        assert result.structured_content is None
        (block,) = result.content
        error = dict(json.loads(block.text)["error"])
        assert result.meta["error_code"] == error["code"]
        return error


@asynccontextmanager
async def talking(store: Path, era: str, agent: str | None = "an-agent", **environment: str) -> AsyncIterator[Caller]:
    service = build_service(stack.settings(store, environment), "in-memory")
    async with Client(mcp_server(service), mode=era) as client:  # type: ignore[arg-type]
        yield Caller(client, {"agent_id": agent} if agent is not None else None)
