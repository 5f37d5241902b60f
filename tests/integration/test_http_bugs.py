"""What leaves when the server itself is wrong: an id, a log line, nothing else; and that nothing starts by the way."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from panaversity_fs.api.hosts import HostRule
from panaversity_fs.api.http import data_plane
from panaversity_fs.api.server import http_app
from panaversity_fs.api.service import Service
from panaversity_fs.app import build_service, create_app
from panaversity_fs.cli import run as run_command
from panaversity_fs.core.digest import EMPTY
from panaversity_fs.core.errors import Unavailable
from support import stack
from support.live import AGENT, app_client, clean_environment, tool_answer

SECRET = "secret-canary"


class Broken:
    """A library in which everything fails with a bug that holds a secret."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{SECRET} in {name}")


@asynccontextmanager
async def broken_client() -> AsyncIterator[httpx2.AsyncClient]:
    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        yield Broken()

    app = http_app(Service(opening, version="0", instance="x"), HostRule())
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            client.headers["X-Panaversity-Agent"] = AGENT
            yield client


def test_P14_a_bug_behind_a_tool_leaves_as_an_id_that_the_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with broken_client() as client:
            call = {"name": "create_book", "arguments": {"book_id": "bk"}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            answer = await client.post("/mcp", json=body)
            result = tool_answer(answer.json()["result"])
            assert result.code == "INTERNAL"
            assert SECRET not in answer.text
            assert result.error["request_id"] == answer.headers["X-Request-Id"]
            assert result.error["request_id"] in caplog.text

    anyio.run(test)


def test_P14_a_bug_behind_any_route_leaves_as_an_id_that_the_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with broken_client() as client:
            service = Service(lambda: pytest.fail("not opened"), version="0", instance="x")
            for method, template, _ in data_plane(service):
                if template == "/healthz":
                    continue
                path = template.replace("{path:path}", "content/x.md").format(book_id="bk", digest=EMPTY, key=EMPTY)
                content = json.dumps({"manifest": EMPTY, "digests": []}) if path.endswith("packs") else "x"
                answer = await client.request(method, path, content=content)
                assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL"), path
                assert SECRET not in answer.text
                assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]
                assert answer.headers["X-Request-Id"] in caplog.text

    anyio.run(test)


def test_R7_every_route_that_changes_something_wants_an_agent(tmp_path: Path) -> None:
    async def test() -> None:
        async with app_client(tmp_path / "s") as client:
            for path, method in [(f"/books/bk/blobs/{EMPTY}", "PUT"), ("/books/bk/changesets", "POST")]:
                for agent in ("", "system"):
                    answer = await client.request(method, path, content="", headers={"X-Panaversity-Agent": agent})
                    assert answer.json()["error"]["code"] == "AGENT_REQUIRED"

    anyio.run(test)


def test_the_factory_for_process_managers_reads_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/x.db")
    monkeypatch.setenv("PANAVERSITY_STORAGE_ROOT", str(tmp_path / "blobs"))

    async def test() -> None:
        app = create_app()
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
                assert (await client.get("/readyz")).status_code == 200

    anyio.run(test)
    assert (tmp_path / "x.db").exists()


def test_outside_of_its_life_the_library_is_not_there() -> None:
    with pytest.raises(Unavailable):
        _ = Service(lambda: pytest.fail("not opened"), version="0", instance="x").library


def test_F38_a_draining_server_is_not_ready(tmp_path: Path) -> None:
    async def test() -> None:
        service = build_service(stack.settings(tmp_path), "x")
        app = http_app(service, HostRule())
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
                assert (await client.get("/readyz")).status_code == 200
                service.draining = True
                answer = await client.get("/readyz")
                assert (answer.status_code, answer.json()["status"]) == (503, "draining")
                assert (await client.get("/healthz")).status_code == 200

    anyio.run(test)


def test_a_bug_in_the_command_is_one_sentence_and_exit_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr("panaversity_fs.config.Settings.read", fail)
    monkeypatch.setenv("FASTMCP_LOG_ENABLED", "true")
    monkeypatch.setenv("FASTMCP_ENV_FILE", "/dev/null")
    assert run_command(["migrate", "--store", str(tmp_path)]) == 70
    said = capsys.readouterr().err
    assert said.startswith("panaversity-fs: bug: ZeroDivisionError at test_http_bugs.py:")
    assert SECRET not in said


def test_help_imports_no_server() -> None:
    heavy = {"fastmcp", "sqlalchemy", "pydantic", "uvicorn"}
    code = f"import sys, panaversity_fs.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_call_does_not_load_the_frameworks_session_store(tmp_path: Path) -> None:
    """Its import costs the first call of every embedded server a quarter of a second (``api.server._Stateless``)."""
    code = """
import sys, anyio
from pathlib import Path
from support.live import app_client
async def main():
    async with app_client(Path(sys.argv[1])) as client:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_books", "arguments": {}}}
        answer = await client.post("/mcp", json=call)
        assert answer.json()["result"]["structuredContent"]["books"] == []
        print("key_value" in sys.modules)
anyio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s")], capture_output=True, text=True, check=True,
        env={**clean_environment(), "PYTHONPATH": str(Path(__file__).parents[1]), "FASTMCP_LOG_ENABLED": "false"},
    )  # fmt: skip
    assert done.stdout == "False\n"
