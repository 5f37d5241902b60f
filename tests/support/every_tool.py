"""Every tool of the server with arguments that its own schema calls good, made from the list the server answers.

A new tool is covered without a line here. Knows JSON schema and JSON-RPC text; does not know what any tool does.
Requests are made of text, not of objects, so that a lone surrogate can be sent as its escape.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from support.live import AGENT, ToolAnswer, tool_answer

BOOK = "the-book"
LESSON = "content/01-Part/02-Chapter/03-lesson.md"
DIGEST = "0" * 64
KNOWN: dict[str, Any] = {
    "book_id": BOOK,
    "path": LESSON,
    "content": "text",
    "old_text": "a",
    "new_text": "b",
    "expected_hash": DIGEST,
    "filename": "01-Part/02-Chapter/picture.png",
    "asset_type": "img",
    "sha256": DIGEST,
    "pattern": "**/*.md",
    "binary_data": base64.b64encode(b"bytes").decode(),
    "since": "2030-01-01T00:00:00Z",
    "until": "2031-01-01T00:00:00Z",
    "confirm": "another-book",
    "revision": 1,
    "a": 1,
    "b": 1,
    "user_id": "a-reader",
}
"""Arguments that mean something; ``delete_book`` is not confirmed."""
PATHS = ("path", "filename")
PARSE_ERROR = -32700
"""What JSON-RPC answers to text that is no JSON: a lone surrogate's escape is none to the parser."""


@dataclass(frozen=True)
class Tool:
    """One tool as the server describes it."""

    name: str
    schema: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        return dict(self.schema.get("properties", {}))

    def strings(self) -> list[str]:
        """The arguments that take any text (an enumeration takes only its own)."""
        return [name for name, kind in self.properties.items() if _takes_text(kind)]

    def good(self, **given: Any) -> dict[str, Any]:
        """The required arguments with good values, and those given."""
        required = {name: self._value(name) for name in self.schema.get("required", [])}
        return {**required, **given}

    def _value(self, name: str) -> Any:
        if name in KNOWN:
            return KNOWN[name]
        kind = self.properties[name]
        if "enum" in kind:
            return kind["enum"][0]
        return {"integer": 1, "boolean": False, "array": [], "object": {}}.get(kind.get("type", ""), "x")


def _takes_text(kind: dict[str, Any]) -> bool:
    variants = kind.get("anyOf", [kind])
    return any(variant.get("type") == "string" and "enum" not in variant for variant in variants)


async def list_tools(client: Any) -> list[Tool]:
    """What the server says it can do."""
    answer = await post(client, {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
    return [Tool(tool["name"], tool["inputSchema"]) for tool in answer.json()["result"]["tools"]]


async def post(client: Any, message: Any) -> Any:
    """One JSON-RPC message; everything beyond ASCII goes out as an escape."""
    return await client.post("/mcp", content=json.dumps(message), headers={"Content-Type": "application/json"})


async def call(client: Any, tool: str, arguments: dict[str, Any]) -> ToolAnswer:
    """Call a tool; whatever is wrong with its arguments must be an answer of the tool, never a broken request.

    Only text that is no JSON at all is refused before (``PARSE_ERROR``).
    """
    params = {"name": tool, "arguments": arguments, "_meta": {"agent_id": AGENT}}
    answer = await post(client, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    body = answer.json()
    if answer.status_code == 400 and body["error"]["code"] == PARSE_ERROR:
        return ToolAnswer(True, None, [], {"code": "PARSE_ERROR"}, body)
    assert answer.status_code == 200, (tool, answer.status_code, answer.text[:300])
    assert "result" in body, (tool, body)
    return tool_answer(body["result"])
