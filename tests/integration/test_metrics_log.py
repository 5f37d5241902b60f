"""The log of a real server: a line for every call with who, what and how it ended; nothing secret, nothing forged."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from panaversity_fs.core.digest import digest_of
from support.live import LiveServer

PATH = "content/01-Part/01-Chapter/01-lesson.md"
CANARY = "canary-8h2kq"


def lines(server: LiveServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.errors.read_text().splitlines()]


def answered(server: LiveServer) -> list[dict[str, Any]]:
    return [line for line in lines(server) if line["event"] == "answered"]


def test_every_call_and_request_leaves_one_line_and_health_checks_none(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert server.request("GET", path).status == 200
        assert answered(server) == []
        server.call("write_content", book_id="bk", path=PATH, content="one")
        refused = server.call("write_content", book_id="bk", path=PATH, content="two")
        identity = server.request("GET", f"/books/bk/files/{PATH}").headers["x-request-id"]
        server.request("GET", "/nowhere")
        server.rpc({}, "tools/list")
        assert server.stop() == 0
        wrote, conflict, got, lost = answered(server)
    assert refused.code == "HASH_REQUIRED"
    assert (wrote["name"], wrote["code"], wrote["book_id"], wrote["agent"]) == ("write_content", "OK", "bk", "tests")
    assert wrote["duration_ms"] > 0
    assert (conflict["outcome"], conflict["code"]) == ("refused", "HASH_REQUIRED")
    assert (got["request_id"], got["name"]) == (identity, "GET /books/{book_id}/files/{path:path}")
    assert (got["status"], got["sent"], got["book_id"]) == (200, 3, "bk")
    assert (lost["name"], lost["code"]) == ("other", "NOT_FOUND")


@pytest.mark.parametrize("form", ["text", "json"])
def test_S27_S7_no_content_path_token_or_body_is_logged_and_no_line_is_forged(tmp_path: Path, form: str) -> None:
    bearer = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "Content-Type": "application/json"}
    with LiveServer(tmp_path / "store", arguments=["--log-format", form]) as server:
        server.call("write_content", book_id="bk", path=PATH, content=CANARY)
        server.call("write_content", book_id="bk", path=PATH, content=CANARY, expected_hash=CANARY)
        server.call("write_content", book_id=CANARY + "\n\x1b[2J", path=CANARY, content=CANARY)
        server.call("write_content", book_id="bk", path=f"{PATH}/{CANARY}", content="x", idempotency_key=CANARY)
        server.call(CANARY + "\u2028", book_id="bk")
        server.call("read_content", book_id="bk", path=PATH)
        encoded = base64.b64encode(CANARY.encode()).decode()
        server.call("upload_asset", book_id="bk", asset_type="img", filename=f"{CANARY}.png", binary_data=encoded)
        server.request("GET", f"/books/bk/files/{PATH}?token={CANARY}", headers=bearer)
        server.request("PUT", f"/books/bk/blobs/{digest_of(b'')}", CANARY.encode())
        server.request("POST", "/books/bk/changesets", CANARY.encode(), {"Content-Encoding": "zstd"})
        server.request("POST", "/mcp", b'{"' + CANARY.encode(), bearer)
        server.request("GET", f"/{CANARY}", headers={**bearer, "X-Request-Id": f"{CANARY}\u00a0x"})
        server.request("GET", "/healthz", headers={"Host": f"{CANARY}.example"})
        server.stop()
        said = server.errors.read_text()
    assert CANARY not in said
    assert server.output.read_text() == ""
    assert len(said.splitlines()) > 10
    assert said.replace("\n", "").isprintable()
    if form == "json":
        assert all("event" in line for line in lines(server))
