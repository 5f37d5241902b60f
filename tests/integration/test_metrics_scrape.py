"""``/metrics`` of a real app after real calls: every event is counted once, under bounded names."""

import base64
from pathlib import Path
from typing import Any

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.library.context import SMALL
from panaversity_fs.store.blobs import BlobKey
from support import stack
from support.live import AGENT, app_client
from support.scraped import Scraped, scraped

PATH = "content/01-Part/01-Chapter/01-lesson.md"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def call(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments, "_meta": {"agent_id": AGENT}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = await client.post("/mcp", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


async def scrape(client: Any) -> Scraped:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return scraped(answer.text)


@pytest.mark.anyio
async def test_FR_002_writes_refusals_and_bytes_taken_back_are_counted(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        await call(client, "write_content", book_id="bk", path=PATH, content="one")
        await call(client, "write_content", book_id="bk", path=PATH, content="two" * SMALL)
        await call(client, "write_content", book_id="bk", path=PATH, content="two", expected_hash=digest_of(b"one"))
        await call(client, "write_content", book_id="bk", path="content/bad", content="x")
        await call(client, "delete_content", book_id="bk", path="content/01-Part/01-Chapter/02-none.md")
        found = await scrape(client)
    assert found("write_total", status="success", mode="created") == 1
    assert found("write_total", status="success", mode="updated") == 1
    assert found("write_total", status="success", mode="absent") == 1
    assert found("write_total", status="conflict", mode="created") == 1
    assert found("write_duration_seconds_count", operation="write_content") >= 3
    assert found("storage_rollback_count") >= 1, "the long text of the refused write was stored and taken back"
    assert found("journal_entries_total", book_id="bk") == 1
    assert found("requests_total", door="mcp", name="write_content", outcome="ok") == 2
    assert found("requests_total", door="mcp", name="write_content", outcome="refused") == 2
    assert found("errors_total", code="HASH_REQUIRED") == 1
    assert found("requests_total", door="http", name="/mcp", outcome="ok") == 5


@pytest.mark.anyio
async def test_SC_007_plans_are_counted_as_full_delta_or_unchanged(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        await call(client, "write_content", book_id="bk", path=PATH, content="one")
        first = await call(client, "plan_build", book_id="bk")
        known = first["structuredContent"]["manifest_hash"]
        await call(client, "plan_build", book_id="bk", target_manifest_hash=known)
        await call(client, "write_content", book_id="bk", path=PATH, content="two", expected_hash=digest_of(b"one"))
        await call(client, "plan_build", book_id="bk", target_manifest_hash=known)
        await call(client, "plan_build", book_id="bk", target_manifest_hash="0" * 64)
        found = await scrape(client)
    assert found("full_rebuild_count") == 2
    assert found("delta_files_count") == 1
    assert [found("plans_total", answer=a) for a in ("unchanged", "delta", "full")] == [1, 1, 2]


@pytest.mark.anyio
async def test_SC_001_archives_are_counted_timed_and_their_memory_told(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        await call(client, "write_content", book_id="bk", path=PATH, content="one")
        for query in ("", "?scope=content", "?scope=content&partial=true", "?scope=nonsense"):
            await client.get(f"/books/bk/archive{query}")
        stack.served_blobs(tmp_path / "store").damage(BlobKey("bk", 1, digest_of(b"one")), b"two")
        answer = await client.get("/books/bk/archive?partial=true")
        assert b"errors.json" in answer.content
        found = await scrape(client)
    assert found("archive_total", scope="all", status="success") == 1
    assert found("archive_total", scope="content", status="success") == 2
    assert found("archive_total", scope="all", status="refused") == 1
    assert found("archive_total", scope="all", status="partial") == 1
    assert found("archive_duration_seconds_count", scope="content") == 2
    assert 0 <= found("archive_memory_bytes") < 64 << 20


@pytest.mark.anyio
async def test_bytes_are_counted_as_they_crossed_the_door(tmp_path: Path) -> None:
    data = b"x" * 5000
    route = "/books/{book_id}/blobs/{digest}"
    async with app_client(tmp_path / "store") as client:
        await call(client, "create_book", book_id="bk")
        url = f"/books/bk/blobs/{digest_of(data)}"
        assert (await client.put(url, content=data)).status_code == 201
        assert (await client.get(url)).content == data
        found = await scrape(client)
    assert found("received_bytes_total", name=f"PUT {route}") == 5000
    assert found("sent_bytes_total", name=f"GET {route}") == 5000
    assert found("requests_running") == 0


@pytest.mark.anyio
async def test_S28_no_label_bears_a_path_a_user_an_agent_or_content(tmp_path: Path) -> None:
    canary = "canary-4711"
    async with app_client(tmp_path / "store") as client:
        client.headers["X-Panaversity-Agent"] = canary
        await call(client, f"tool-{canary}", book_id="bk", path=canary)
        await call(client, "write_content", book_id="bk", path=f"content/01-P/01-C/01-{canary}.md", content=canary)
        await call(client, "write_content", book_id="bk", path=PATH, content=canary, user_id=canary)
        encoded = base64.b64encode(canary.encode()).decode()
        await call(
            client, "upload_asset", book_id="bk", asset_type="img", filename=f"{canary}.png", binary_data=encoded
        )
        for url in (f"/{canary}", f"/books/{canary}/files/{canary}", f"/books/{canary}/archive?scope={canary}"):
            await client.request("GET", url)
            await client.request(canary.upper(), url)
        text = (await client.get("/metrics")).text
    assert "journal_entries_total" in text
    assert canary not in text
    assert canary.upper() not in text


@pytest.mark.anyio
async def test_a_books_life_and_verification_are_told(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        await call(client, "write_content", book_id="bk", path=PATH, content="one")
        assert not (await call(client, "verify_audit", book_id="bk")).get("isError")
        found = await scrape(client)
    assert found("audit_chain_valid") == 1
    assert found("audit_verified_timestamp_seconds") > 0
