"""Every tool through FastMCP's own client in both protocol eras, in memory."""

import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from panaversity_fs.api import limits
from panaversity_fs.core.digest import EMPTY, digest_of
from panaversity_fs.core.manifest import manifest_hash
from support.hostile_paths import HOSTILE
from support.talking import ERAS, LESSON, PIXEL, talking


def run(test: Callable[[], Awaitable[None]]) -> None:
    anyio.run(test)


@ERAS
def test_FR_005_a_lesson_is_created_read_updated_and_deleted(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            created = await tools.call("write_content", book_id="bk", path=LESSON, content="one\r\n")
            first = digest_of(b"one\r\n")
            assert created.pop("checkpoint").items() >= {"book_id": "bk", "incarnation": 1, "size": 1}.items()
            assert created == {
                "status": "success", "mode": "created", "path": LESSON,
                "source_path": "01-Part/02-Chapter/03-lesson.md",
                "file_hash": first, "file_size": 5, "namespace": "base", "revision": 1,
            }  # fmt: skip
            read = await tools.call("read_content", book_id="bk", path=LESSON)
            assert (read["content"], read["file_hash_sha256"], read["source"]) == ("one\r\n", first, "base")
            assert read.keys() >= {"file_size", "last_modified", "storage_backend"}
            again = await tools.call("write_content", book_id="bk", path=LESSON, content="two", expected_hash=first)
            assert again["mode"] == "updated"
            same = await tools.call(
                "write_content", book_id="bk", path=LESSON, content="two", expected_hash=digest_of(b"two")
            )
            assert same["mode"] == "unchanged"
            assert (await tools.call("delete_content", book_id="bk", path=LESSON))["existed"] is True
            assert (await tools.call("delete_content", book_id="bk", path=LESSON))["existed"] is False  # R3
            assert (await tools.refused("read_content", book_id="bk", path=LESSON))["code"] == "NOT_FOUND"

    run(test)


@ERAS
def test_FR_003_FR_004_a_write_without_the_right_hash_is_refused_with_the_current_one(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="one")
            current = digest_of(b"one")
            blind = await tools.refused("write_content", book_id="bk", path=LESSON, content="x")
            assert (blind["code"], blind["current_hash"]) == ("HASH_REQUIRED", current)
            assert current in blind["message"]
            stale = await tools.refused("write_content", book_id="bk", path=LESSON, content="x", expected_hash=EMPTY)
            assert (stale["code"], stale["current_hash"], stale["expected_hash"]) == ("CONFLICT", current, EMPTY)
            nothing = LESSON.replace("03", "04")
            absent = await tools.refused("write_content", book_id="bk", path=nothing, content="x", expected_hash=EMPTY)
            assert absent["code"] == "NOT_FOUND"
            assert (await tools.refused("delete_content", book_id="bk", path=LESSON, expected_hash=EMPTY))[
                "code"
            ] == "CONFLICT"

    run(test)


@ERAS
def test_lesson_text_travels_once_and_the_text_says_what_it_is(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="a canary sentence")
            result = await tools.raw("read_content", book_id="bk", path=LESSON)
            wire = json.dumps([b.model_dump(mode="json") for b in result.content]) + json.dumps(
                result.structured_content
            )
            assert wire.count("a canary sentence") == 1
            (block,) = result.content
            assert LESSON in block.text
            assert digest_of(b"a canary sentence") in block.text

    run(test)


@ERAS
def test_scopes_answer_the_lessons_of_a_chapter_a_part_and_the_book(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            for part, chapter, lesson in [(1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)]:
                path = f"content/0{part}-Part/0{chapter}-Chapter/0{lesson}-x.md"
                await tools.call("write_content", book_id="bk", path=path, content=path)

            async def paths(scope: str, path: str) -> list[str]:
                read = await tools.call("read_content", book_id="bk", path=path, scope=scope)
                assert all(f["content"] == f["path"] for f in read["files"])
                return [f["path"].removeprefix("content/") for f in read["files"]]

            chapter = ["01-Part/01-Chapter/01-x.md", "01-Part/01-Chapter/02-x.md"]
            assert await paths("chapter", "content/01-Part/01-Chapter") == chapter
            assert await paths("chapter", "content/01-Part/01-Chapter/02-x.md") == chapter
            assert await paths("part", "content/01-Part") == [*chapter, "01-Part/02-Chapter/01-x.md"]
            assert len(await paths("book", "")) == 4
            wrong = await tools.refused("read_content", book_id="bk", path="content/01-Part", scope="chapter")
            assert (wrong["code"], wrong["name"]) == ("INVALID_ARGUMENT", "path")
            empty = await tools.refused("read_content", book_id="bk", path="content/09-None", scope="part")
            assert empty["code"] == "NOT_FOUND"

    run(test)


def test_pages_of_a_scope_hold_every_lesson_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            big = "x" * 400_000
            wanted = [f"content/01-P/01-C/{n:02}-x.md" for n in range(7)]
            for path in wanted:
                await tools.call("write_content", book_id="bk", path=path, content=big)
            seen: list[str] = []
            cursor, pages = None, 0
            while True:
                read = await tools.call("read_content", book_id="bk", scope="book", cursor=cursor)
                seen += [f["path"] for f in read["files"]]
                pages += 1
                cursor = read["next_cursor"]
                if cursor is None:
                    break
            assert seen == wanted
            assert pages == 4  # two of 400 kB fit into 1 MiB
            bad = await tools.refused("read_content", book_id="bk", scope="book", cursor="bm9!")
            assert (bad["code"], bad["name"]) == ("INVALID_ARGUMENT", "cursor")

    run(test)


def test_lines_of_a_lesson_are_answered_as_they_are(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="a\r\nb\n\nd")
            read = await tools.call("read_content", book_id="bk", path=LESSON, start_line=2, limit=2)
            assert (read["content"], read["start_line"], read["next_start_line"]) == ("b\n\n", 2, 4)
            assert read["total_lines"] == 4
            assert read["file_hash_sha256"] == digest_of(b"a\r\nb\n\nd")

    run(test)


def test_a_file_that_is_not_text_is_answered_with_its_url(tmp_path: Path) -> None:
    async def test() -> None:
        environment = {"PANAVERSITY_PUBLIC_URL": "https://books.example.org/"}
        async with talking(tmp_path / "s", "auto", **environment) as tools:
            data = base64.b64encode(b"\xff\xfe\x00").decode()
            await tools.call("upload_asset", book_id="bk", asset_type="img", filename="a b.png", binary_data=data)
            read = await tools.call("read_content", book_id="bk", path="static/img/a b.png")
            assert read["content"] is None
            assert read["url"] == "https://books.example.org/books/bk/files/static/img/a%20b.png"

    run(test)


def test_F63_a_lesson_too_large_for_an_answer_is_answered_with_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto", PANAVERSITY_PUBLIC_URL="https://books.example.org") as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="line\n" * 100)
            monkeypatch.setattr(limits, "TEXT_ANSWER", 50)
            read = await tools.call("read_content", book_id="bk", path=LESSON)
            assert (read["content"], read["next_start_line"]) == ("line\n" * 10, 11)
            (listed,) = (await tools.call("read_content", book_id="bk", scope="book"))["files"]
            assert (listed["content"], listed["reason"]) == (None, "too large for this answer")
            monkeypatch.setattr(limits, "TEXT_FILE", 100)
            read = await tools.call("read_content", book_id="bk", path=LESSON)
            assert read["content"] is None
            assert read["url"] == f"https://books.example.org/books/bk/files/{LESSON}"

    run(test)


@ERAS
def test_FR_008_an_asset_is_uploaded_skipped_listed_and_answered(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            sent = {"book_id": "bk", "asset_type": "images", "filename": "01-A/d.png"}
            data = base64.b64encode(PIXEL).decode()
            first = await tools.call("upload_asset", **sent, binary_data=data)
            assert (first["status"], first["path"]) == ("success", "static/img/01-A/d.png")
            assert (first["file_hash_sha256"], first["file_size"]) == (digest_of(PIXEL), len(PIXEL))
            assert first["mime_type"] == "image/png"
            assert (await tools.call("upload_asset", **sent, binary_data=data))["status"] == "skipped"
            other = base64.b64encode(b"other").decode()
            assert (await tools.refused("upload_asset", **sent, binary_data=other))["code"] == "HASH_REQUIRED"
            listed = await tools.call("list_assets", book_id="bk")
            assert [(a["asset_type"], a["filename"]) for a in listed["assets"]] == [("img", "01-A/d.png")]
            assert (await tools.call("list_assets", book_id="bk", asset_type="videos"))["assets"] == []
            result = await tools.raw("get_asset", **sent, include_binary=True)
            assert base64.b64decode(result.content[1].data) == PIXEL
            nowhere = await tools.call("upload_asset", **sent)
            assert nowhere["status"] == "pending"
            unsent = await tools.refused("upload_asset", **{**sent, "filename": "e.png"}, sha256=digest_of(b"never"))
            assert (unsent["code"], unsent["digests"]) == ("BLOBS_MISSING", [digest_of(b"never")])
            garbled = await tools.refused("upload_asset", **sent, binary_data="%%%")
            assert (garbled["code"], garbled["name"]) == ("INVALID_ARGUMENT", "binary_data")

    run(test)


@ERAS
def test_books_are_created_and_listed_with_their_tree(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            made = await tools.call("create_book", book_id="bk", schema="docusaurus", numbering="name-number")
            assert (made["schema"], made["numbering"]) == ("docusaurus", "name-number")
            assert (await tools.refused("create_book", book_id="bk"))["code"] == "CONFLICT"
            wrote = await tools.call("write_content", book_id="bk", path="content/01-Part/x.md", content="x")
            assert wrote["source_path"] == "Part-01/x.md"
            listed = await tools.call("list_books", include_structure="content")
            (book,) = listed["books"]
            assert (book["book_id"], book["file_count"], book["total_bytes"]) == ("bk", 1, 1)
            leaf = {"name": "x.md", "file_hash_sha256": digest_of(b"x"), "file_size": 1}
            assert book["structure"] == [{"name": "content", "children": [{"name": "01-Part", "children": [leaf]}]}]
            assert (await tools.call("list_books", book_id="other"))["books"] == []

    run(test)


@ERAS
def test_FR_025_FR_026_a_plan_lists_what_changed_and_deleted(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            nobody = await tools.call("plan_build", book_id="bk")
            assert (nobody["warning"]["code"], nobody["manifest_hash"], nobody["revision"]) == (
                "BOOK_UNKNOWN",
                EMPTY,
                0,
            )
            paths = [f"content/01-P/01-C/0{n}-x.md" for n in (1, 2)]
            for path in paths:
                await tools.call("write_content", book_id="bk", path=path, content="v1")
            first = await tools.call("plan_build", book_id="bk")
            assert first["manifest_hash"] == manifest_hash(dict.fromkeys(paths, digest_of(b"v1")))
            assert "warning" not in first
            known = {"target_manifest_hash": first["manifest_hash"]}
            assert (await tools.call("plan_build", book_id="bk", **known))["status"] == "unchanged"
            await tools.call("write_content", book_id="bk", path=paths[0], content="v2", expected_hash=digest_of(b"v1"))
            await tools.call("delete_content", book_id="bk", path=paths[1])
            plan = await tools.call("plan_build", book_id="bk", **known)
            assert plan["files"] == [
                {"path": paths[0], "current_hash": digest_of(b"v2"), "target_hash": digest_of(b"v1"),
                 "change_type": "modified", "size": 2},
                {"path": paths[1], "current_hash": None, "target_hash": digest_of(b"v1"),
                 "change_type": "deleted", "size": 0},
            ]  # fmt: skip
            assert (await tools.call("plan_build", book_id="bk", scope="assets", **known))["files"] == []
            strange = await tools.call("plan_build", book_id="bk", target_manifest_hash=digest_of(b"?"))
            assert (strange["warning"]["code"], strange["status"]) == ("MANIFEST_UNKNOWN", "changed")

    run(test)


@ERAS
def test_R7_FR_021_a_change_needs_a_named_agent_and_a_read_does_not(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        store = tmp_path / "s"
        for agent in ("", " ", "system", "SYSTEM"):
            async with talking(store, era, agent) as tools:
                for tool, more in [
                    ("write_content", {"path": LESSON, "content": "x"}), ("delete_content", {"path": LESSON}),
                    ("upload_asset", {"asset_type": "img", "filename": "x.png", "binary_data": ""}),
                    ("create_book", {}),
                ]:  # fmt: skip
                    assert (await tools.refused(tool, book_id="bk", **more))["code"] == "AGENT_REQUIRED"
                assert (await tools.call("list_books"))["books"] == []
        async with talking(store, era, "a\nb") as tools:
            assert (await tools.refused("list_books"))["code"] == "INVALID_ARGUMENT"
        async with talking(store, era, None) as tools:  # the client's own name is enough
            await tools.call("create_book", book_id="bk")

    run(test)


@ERAS
def test_wrapped_params_are_unwrapped(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            made = await tools.call("create_book", params={"book_id": "bk", "schema": "docusaurus"})
            assert made["schema"] == "docusaurus"

    run(test)


@ERAS
def test_S7_argument_errors_name_the_field_and_never_echo_the_value(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            canary = "canary-value" * 20
            for arguments, name in [
                ({"book_id": canary, "path": LESSON}, "book_id"),
                ({"book_id": "bk", "path": LESSON, "scope": canary}, "scope"),
                ({"book_id": "bk", "path": LESSON, "limit": canary}, "limit"),
                ({"book_id": "bk", "path": LESSON, "limit": 0}, "limit"),
                ({"book_id": "bk", "path": LESSON, "user_id": canary}, "user_id"),
                ({"path": LESSON}, "book_id"),
            ]:
                result = await tools.raw("read_content", **arguments)
                assert "canary" not in result.content[0].text
                assert "pydantic" not in result.content[0].text
                error = await tools.refused("read_content", **arguments)
                assert (error["code"], error["name"]) == ("INVALID_ARGUMENT", name)
            assert (await tools.refused("no_such_tool"))["code"] == "NOT_FOUND"

    run(test)


def test_R1_SC_005_FR_009_hostile_paths_are_refused_by_every_tool(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            for path, _ in HOSTILE:
                try:
                    path.encode()
                except UnicodeEncodeError:
                    continue  # JSON text cannot carry it
                for tool, more in [("read_content", {}), ("write_content", {"content": "x"}), ("delete_content", {})]:
                    error = await tools.refused(tool, book_id="bk", path=path, **more)
                    assert error["code"] == "INVALID_PATH", (tool, path)
                for tool in ("upload_asset", "get_asset"):
                    error = await tools.refused(tool, book_id="bk", asset_type="img", filename=path)
                    assert error["code"] == "INVALID_PATH", (tool, path)
            assert (await tools.call("list_books"))["books"] == []

    run(test)


def test_FR_007_a_safe_path_without_a_place_is_a_schema_violation(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            for path in ("lessons/random/file.md", "content/x.md", "content/1-A/01-B/01-c.md", "static/fonts/x.woff"):
                error = await tools.refused("write_content", book_id="bk", path=path, content="x")
                assert error["code"] == "SCHEMA_VIOLATION"
                assert error["pattern"]
            summary = "content/01-Part/01-Chapter/lesson.summary.md"
            assert (await tools.call("write_content", book_id="bk", path=summary, content="x"))["mode"] == "created"

    run(test)


def test_P6_a_repeated_call_with_its_key_has_one_effect(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            call = {"book_id": "bk", "path": LESSON, "content": "x", "idempotency_key": "key-1"}
            first = await tools.call("write_content", **call)
            assert await tools.call("write_content", **call) == first
            other = await tools.refused("write_content", **{**call, "content": "y"})
            assert other["code"] == "INVALID_ARGUMENT"
            bad = await tools.refused("write_content", **{**call, "idempotency_key": "a b"})
            assert (bad["code"], bad["name"]) == ("INVALID_ARGUMENT", "idempotency_key")

    run(test)


@pytest.mark.parametrize(
    "setting", [{"PANAVERSITYFS_READ_ONLY": "true"}, {"PANAVERSITYFS_JOURNAL_ENABLED": "false"}], ids=str
)
def test_S17_a_read_only_server_refuses_every_change_and_answers_reads(tmp_path: Path, setting: dict[str, str]) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="x")
        async with talking(tmp_path / "s", "auto", **setting) as tools:
            for tool, more in [
                ("write_content", {"path": LESSON, "content": "y"}),
                ("delete_content", {"path": LESSON}),
            ]:
                assert (await tools.refused(tool, book_id="bk", **more))["code"] == "READ_ONLY"
            assert (await tools.refused("create_book", book_id="other"))["code"] == "READ_ONLY"
            assert (await tools.call("read_content", book_id="bk", path=LESSON))["content"] == "x"

    run(test)


def test_every_tool_states_its_four_hints_and_refuses_unknown_arguments(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            listed = {tool.name: tool for tool in await tools.client.list_tools()}
            for tool in listed.values():
                hints = tool.annotations
                assert hints is not None
                assert None not in (
                    hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint,
                )  # fmt: skip
                assert tool.input_schema["additionalProperties"] is False
                assert tool.description
                assert all("description" in p for p in tool.input_schema["properties"].values())
                if not hints.read_only_hint and tool.name not in ("create_book", "delete_book"):
                    assert {"expected_hash", "idempotency_key"} <= set(tool.input_schema["properties"])

    run(test)
