"""The tools that edit, look back, care for a book and delete it, through FastMCP's own client in both eras."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from panaversity_fs.core.digest import EMPTY, digest_of
from support.live import app_client
from support.talking import ERAS, LESSON, talking

CRLF = "\ufeff# Title\r\n\r\nOne two.\r\nlast"


@ERAS
def test_a_lesson_is_edited_appended_to_compared_and_restored(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            where: dict[str, Any] = {"book_id": "bk", "path": LESSON}
            first = (await tools.call("write_content", **where, content=CRLF))["file_hash"]
            after = CRLF.replace("two", "three")
            change = {"old_text": "two", "new_text": "three", "expected_hash": first}
            dry = await tools.call("edit_content", **where, **change, dry_run=True)
            assert (dry["dry_run"], dry["file_hash"]) == (True, digest_of(after.encode()))
            assert "-One two.\r\n+One three.\r\n" in dry["diff"]
            assert (await tools.call("read_content", **where))["file_hash_sha256"] == first
            done = await tools.call("edit_content", **where, **change, idempotency_key="k")
            assert (done["mode"], done["dry_run"], done["diff"]) == ("updated", False, dry["diff"])
            assert await tools.call("edit_content", **where, **change, idempotency_key="k") == done
            assert (await tools.call("read_content", **where))["content"] == after
            assert (await tools.refused("edit_content", **where, **change))["code"] == "CONFLICT"
            added = await tools.call("append_content", **where, content="\n!", expected_hash=done["file_hash"])
            assert (await tools.call("read_content", **where))["content"] == after + "\r\n!"
            past = await tools.call("history", **where)
            assert [entry["operation"] for entry in past["entries"]] == [
                "append_content",
                "edit_content",
                "write_content",
            ]
            assert [entry["kept"] for entry in past["entries"]] == [True] * 3
            assert past["entries"][0]["agent_id"] == "an-agent"
            compared = await tools.call("diff_content", **where, a=1, b=str(past["entries"][1]["new_hash"]))
            assert compared["diff"] == dry["diff"]
            back = await tools.call("restore_content", **where, revision=1, expected_hash=added["file_hash"])
            assert (back["file_hash"], back["mode"], back["revision"]) == (first, "updated", 4)

    anyio.run(test)


@ERAS
def test_edits_that_do_not_fit_are_refused_with_the_count(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            where: dict[str, Any] = {"book_id": "bk", "path": LESSON}
            now = (await tools.call("append_content", **where, content="a b a"))["file_hash"]
            for old, count in (("a", 2), ("x", 0)):
                error = await tools.refused("edit_content", **where, old_text=old, new_text="n", expected_hash=now)
                assert (error["code"], error["name"], error["count"]) == ("INVALID_ARGUMENT", "old_text", count)
            blind = await tools.refused("edit_content", **where, old_text="b", new_text="n")
            assert (blind["code"], blind["name"]) == ("INVALID_ARGUMENT", "expected_hash")
            assert (await tools.refused("append_content", **where, content="x"))["code"] == "HASH_REQUIRED"

    anyio.run(test)


def test_lesson_text_is_in_the_diff_only_and_in_no_error(tmp_path: Path) -> None:
    """A canary travels in its own field, once (S7)."""

    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            where: dict[str, Any] = {"book_id": "bk", "path": LESSON}
            now = (await tools.call("write_content", **where, content="canary one\n"))["file_hash"]
            result = await tools.raw(
                "edit_content", **where, old_text="one", new_text="two", expected_hash=now, dry_run=True
            )
            assert "canary" not in json.dumps([block.model_dump(mode="json") for block in result.content])
            assert json.dumps(result.structured_content).count("canary") == 2  # − and + of the diff
            error = await tools.refused("edit_content", **where, old_text="canary", new_text="x", expected_hash=EMPTY)
            assert "canary" not in json.dumps(error)

    anyio.run(test)


def test_a_file_that_is_no_text_is_refused_with_its_url(tmp_path: Path) -> None:
    async def test() -> None:
        async with app_client(tmp_path / "s") as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                        "params": {"name": tool, "arguments": arguments, "_meta": {"agent_id": "a"}}}  # fmt: skip
                return dict((await client.post("/mcp", json=body)).json()["result"])

            await call("upload_asset", book_id="bk", asset_type="img", filename="01-P/01-C/x.png", binary_data="/w==")
            path = "static/img/01-P/01-C/x.png"
            answer = await call(
                "edit_content", book_id="bk", path=path, old_text="a", new_text="b", expected_hash=digest_of(b"\xff")
            )
            error = json.loads(answer["content"][0]["text"])["error"]
            assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "is not UTF-8 text")
            assert (await client.get(error["url"])).content == b"\xff"

    anyio.run(test)


@ERAS
def test_FR_010_F41_a_book_is_looked_over_and_deleted(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            since = "2020-01-01T00:00:00Z"
            await tools.call("write_content", book_id="bk", path=LESSON, content="see\u202e")
            checked = await tools.call("validate_book_structure", book_id="bk")
            assert checked == await tools.call("validate_book", book_id="bk")
            assert (checked["valid"], checked["summary"]["files"], checked["summary"]["warnings"]) == (True, 1, 3)
            assert {w["code"] for w in checked["warnings"]} == {"NUMBER_GAP", "INVISIBLE_CHARACTERS"}
            delta = await tools.call("delta_build", book_id="bk", since=since)
            assert [(f["path"], f["change_type"]) for f in delta["changed_files"]] == [(LESSON, "added")]
            assert (await tools.call("delta_build", book_id="bk", since=delta["as_of"]))["changed_count"] == 0
            assert (await tools.refused("delta_build", book_id="bk", since=since[:-1]))["name"] == "since"
            assert (await tools.refused("delete_book", book_id="bk", confirm="yes"))["name"] == "confirm"
            gone = await tools.call("delete_book", book_id="bk", confirm="bk")
            assert (gone["existed"], gone["files"]) == (True, 1)
            assert (await tools.call("delete_book", book_id="bk", confirm="bk"))["existed"] is False
            for tool, more in (
                ("plan_build", {}), ("read_content", {"path": LESSON}), ("history", {"path": LESSON}),
                ("validate_book", {}), ("delta_build", {"since": since}),
                ("read_content", {"path": "", "scope": "book"}),
            ):  # fmt: skip
                error = await tools.refused(tool, book_id="bk", **more)
                assert (error["code"], "gone" in error["message"] or "deleted" in error["message"]) == (
                    "BOOK_GONE", True
                )  # fmt: skip
            assert (await tools.call("write_content", book_id="bk", path=LESSON, content="new"))["revision"] == 1

    anyio.run(test)


@pytest.mark.parametrize("tool", ["edit_content", "append_content", "restore_content", "delete_book"])
def test_R7_changes_without_a_named_agent_are_refused(tmp_path: Path, tool: str) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "edit_content": {"path": LESSON, "old_text": "a", "new_text": "b", "expected_hash": EMPTY},
        "append_content": {"path": LESSON, "content": "x"},
        "restore_content": {"path": LESSON, "revision": 1},
        "delete_book": {"confirm": "bk"},
    }

    async def test() -> None:
        async with talking(tmp_path / "s", "auto", agent="system") as tools:
            assert (await tools.refused(tool, book_id="bk", **arguments[tool]))["code"] == "AGENT_REQUIRED"

    anyio.run(test)


def test_history_comes_in_pages_and_a_foreign_cursor_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            where: dict[str, Any] = {"book_id": "bk", "path": LESSON}
            for _ in range(2):
                await tools.call("write_content", **where, content="text")
                await tools.call("delete_content", **where)
            revisions, cursor = [], None
            while True:
                page = await tools.call("history", **where, max_results=2, **({"cursor": cursor} if cursor else {}))
                assert page["count"] <= 2
                revisions += [entry["revision"] for entry in page["entries"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert revisions == [4, 3, 2, 1]
            for odd in ("abc", "LTE", "x" * 40):  # LTE is -1
                assert (await tools.refused("history", **where, cursor=odd))["name"] == "cursor"

    anyio.run(test)


@ERAS
def test_history_without_a_path_tells_the_revisions_of_the_book(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            where: dict[str, Any] = {"book_id": "bk"}
            first = await tools.call("write_content", **where, path=LESSON, content="one")
            await tools.call("plan_build", **where)
            await tools.call("write_content", **where, path=LESSON, content="longer", expected_hash=first["file_hash"])
            page = await tools.call("history", **where, max_results=1)
            (newest,) = page["entries"]
            assert (newest["revision"], newest["agent_id"], newest["modified"]) == (2, "an-agent", 1)
            assert (newest["bytes_written"], newest["bytes_replaced"], newest["manifest_hash"]) == (6, 3, None)
            rest = await tools.call("history", **where, max_results=1, cursor=page["next_cursor"])
            assert [(one["revision"], one["added"], one["manifest_hash"] is None) for one in rest["entries"]] == [
                (1, 1, False)
            ]
            assert rest["next_cursor"] is None
            assert (await tools.refused("history", **where, user_id="reader"))["name"] == "user_id"
            assert (await tools.refused("history", book_id="none"))["code"] == "NOT_FOUND"

    anyio.run(test)
