"""Reads and early refusals are noted off the way, and are queryable (DESIGN 9, S39)."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from panaversity_fs.core.errors import Unavailable
from panaversity_fs.library import access_log as module
from panaversity_fs.library.access_log import AccessLog
from panaversity_fs.store import access_rows
from panaversity_fs.store.audit_rows import AuditFilter
from panaversity_fs.store.database import Database
from panaversity_fs.store.migrate import migrate
from support import stack
from support.live import LiveServer
from support.talking import LESSON, talking

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_S39_reads_and_early_refusals_are_noted_and_changes_are_not_told_twice(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto", "an-editor") as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="one")
            await tools.refused("write_content", book_id="bk", path=LESSON, content="two")  # audited
            await tools.call("read_content", book_id="bk", path=LESSON)
            await tools.refused("read_content", book_id="bk", path="content/nothing.md")
            await tools.refused("write_content", book_id="bk", path="content/../x\x1b[31m" + "y" * 500, content="x")
            await tools.refused("delete_content", book_id="other", path=LESSON, expected_hash="ab" * 32)
        async with talking(tmp_path / "s", "auto", "an-admin") as tools:  # closing wrote what waited
            answer = await tools.call("query_audit_log", book_id="bk", kind="access")
            noted = [(e["operation"], e["code"], e["agent_id"]) for e in answer["entries"]]
            assert noted == [
                ("read_content", None, "an-editor"),
                ("read_content", "NOT_FOUND", "an-editor"),
                ("write_content", "INVALID_PATH", None),
            ]
            paths = [e["path"] for e in answer["entries"]]
            assert paths[:2] == [LESSON, "content/nothing.md"]
            assert "\x1b" not in paths[2]
            assert len(paths[2]) < 250
            other = await tools.call("query_audit_log", book_id="other", kind="access")
            assert [e["code"] for e in other["entries"]] == ["NOT_FOUND"]
            reads = await tools.call("query_audit_log", book_id="bk", kind="access", path=LESSON, agent_id="an-editor")
            assert reads["count"] == 1
            audited = await tools.call("query_audit_log", book_id="bk")
            assert [e["status"] for e in audited["entries"]] == ["success", "refused"]

    anyio.run(test)


def test_S39_requests_of_the_data_plane_are_noted_health_and_tool_calls_are_not(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        server.call("write_content", book_id="bk", path=LESSON, content="one")
        assert server.request("GET", f"/books/bk/files/{LESSON}").status == 200
        assert server.request("GET", "/books/bk/files/content/nothing.md").status == 404
        assert server.request("GET", "/healthz").status == 200
        for _ in range(100):
            found = server.call("query_audit_log", book_id="bk", kind="access").structured["entries"]
            if len([e for e in found if e["operation"].startswith("GET")]) == 2:
                break
            anyio.run(anyio.sleep, 0.1)
    http = [e for e in found if e["operation"].startswith("GET")]
    assert [(e["operation"], e["path"], e["code"]) for e in http] == [
        ("GET /books/{book_id}/files/{path:path}", f"/books/bk/files/{LESSON}", None),
        ("GET /books/{book_id}/files/{path:path}", "/books/bk/files/content/nothing.md", "NOT_FOUND"),
    ]
    assert {e["operation"] for e in found} - {e["operation"] for e in http} <= {"query_audit_log"}


def test_S39_pages_of_the_access_log_hold_every_row_once(tmp_path: Path) -> None:
    async def test() -> None:
        database = Database(stack.database_url(tmp_path))
        await migrate(database)
        log = AccessLog(database, lambda: NOW, iter(map(str, range(1000))).__next__, read_only=False)
        async with log.written():
            for number in range(25):
                log.note("read_content", "bk", f"p{number}", "a", None, 0.001)
            await log.flush()
        after, seen = None, []
        async with database.read("test") as connection:
            while rows := await access_rows.find(connection, "bk", AuditFilter(), after, 7):
                seen += [row.path for row in rows]
                after = (rows[-1].timestamp, rows[-1].id)
        await database.close()
        assert sorted(seen) == sorted(f"p{number}" for number in range(25))

    anyio.run(test)


def test_S39_a_note_never_waits_for_a_writer_and_is_written_after_it(tmp_path: Path) -> None:
    async def test() -> None:
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")  # a writer is in everybody's way here
        await migrate(database)
        log = AccessLog(database, lambda: NOW, iter(map(str, range(1000))).__next__, read_only=False)
        async with log.written():
            async with database.write("somebody else"):
                for _ in range(100):
                    log.note("read_content", "bk", "p", None, None, 0)
                writing = asyncio.ensure_future(log.flush())
                await asyncio.sleep(0.05)
                assert not writing.done()
            await writing
        async with database.read("test") as connection:
            assert len(await access_rows.find(connection, "bk", AuditFilter(), None, 1000)) == 100
        await database.close()

    anyio.run(test)


def test_notes_older_than_the_time_they_are_kept_go(tmp_path: Path) -> None:
    async def test() -> None:
        database = Database(stack.database_url(tmp_path))
        await migrate(database)
        times = iter([NOW - module.KEPT_FOR - timedelta(days=1), NOW - timedelta(days=2), NOW])
        log = AccessLog(database, times.__next__, iter("abc").__next__, read_only=False)
        async with log.written():
            for _ in range(3):
                log.note("read_content", "bk", "p", None, None, 0)
                await log.flush()
        async with database.read("test") as connection:
            found = await access_rows.find(connection, "bk", AuditFilter(), None, 10)
        await database.close()
        assert [row.id for row in found] == ["b", "c"]

    anyio.run(test)


def test_P13_notes_that_cannot_be_kept_are_counted_and_said_and_refuse_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        database = Database(stack.database_url(tmp_path))
        await migrate(database)
        log = AccessLog(database, lambda: NOW, iter(map(str, range(99))).__next__, read_only=False)
        monkeypatch.setattr(module, "MOST", 3)
        for _ in range(5):
            log.note("read_content", "bk", "p", None, None, 0)
        monkeypatch.setattr(access_rows, "append", _refuse)
        async with log.written():
            await log.flush()
        reading = AccessLog(database, lambda: NOW, lambda: "x", read_only=True)
        reading.note("read_content", "bk", "p", None, None, 0)
        async with reading.written():
            await reading.flush()
        await database.close()

    with caplog.at_level(logging.WARNING):
        anyio.run(test)
    assert [r.getMessage() for r in caplog.records if r.name == "panaversity_fs.access_log"] == [
        "access log: access log: database: is full. Wait.", "access log: 5 notes were lost",
    ]  # fmt: skip


async def _refuse(*_: object) -> None:
    raise Unavailable("access log", "database", "is full", "Wait")
