"""Files as resources and the agent contract as prompts, through FastMCP's own client in both eras."""

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from panaversity_fs.api import limits
from panaversity_fs.core.digest import digest_of
from support.talking import ERAS, LESSON, PIXEL, talking


@ERAS
def test_a_file_is_read_as_text_or_as_bytes(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            path = "content/01-Part/02-Chapter/04-größe & mehr.md"
            await tools.call("write_content", book_id="bk", path=path, content="one\r\n")
            await tools.call(
                "upload_asset", book_id="bk", asset_type="img", filename="01-Part/x.png",
                binary_data=base64.b64encode(PIXEL).decode(),
            )  # fmt: skip
            for spelling in (path, path.replace(" ", "%20").replace("&", "%26").replace("ö", "%C3%B6")):
                (text,) = await tools.client.read_resource(f"book://bk/{spelling}")
                assert (text.text, text.mime_type) == ("one\r\n", "text/markdown")
            (image,) = await tools.client.read_resource("book://bk/static/img/01-Part/x.png")
            assert (base64.b64decode(image.blob), image.mime_type) == (PIXEL, "image/png")
            assert image.meta["file_hash_sha256"] == digest_of(PIXEL)

    anyio.run(test)


@ERAS
def test_whatever_is_not_there_looks_the_same(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="secret canary")
            await tools.call("write_content", book_id="old", path=LESSON, content="x")
            await tools.call("delete_book", book_id="old", confirm="old")
            mine = LESSON.replace("03", "05")
            await tools.call("write_content", book_id="bk", path=mine, content="mine", user_id="reader-1")
            told = set()
            for uri in (
                f"book://other/{LESSON}", f"book://old/{LESSON}", f"book://bk/{mine}", f"book://B_K/{LESSON}",
                "book://bk/content/nothing.md", "book://bk/content/CON.md", f"book://bk/{LESSON}%00",
                "book://bk/content/%2e%2e/x.md", "book://bk/content//x.md",
            ):  # fmt: skip
                with pytest.raises(MCPError) as refusal:
                    await tools.client.read_resource(uri)
                error = refusal.value.error
                assert "canary" not in str(error)
                told.add((error.code, error.message.partition(":")[0], *(error.data or {})))
            assert told == {(-32602, "Resource not found", "uri")}

    anyio.run(test)


def test_what_is_too_large_is_told_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEXT_FILE", 4)

    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await tools.call("write_content", book_id="bk", path=LESSON, content="12345")
            with pytest.raises(MCPError) as refusal:
                await tools.client.read_resource(f"book://bk/{LESSON}")
            assert refusal.value.error.data["error"]["code"] == "TOO_LARGE"
            assert refusal.value.error.data["error"]["size"] == 5

    anyio.run(test)


def test_refused_reads_leave_no_traceback_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            with pytest.raises(MCPError):
                await tools.client.read_resource(f"book://bk/{LESSON}")

    anyio.run(test)
    assert not [record for record in caplog.records if record.exc_info]


@ERAS
def test_the_agent_contract_comes_as_prompts(tmp_path: Path, era: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", era) as tools:
            where: dict[str, Any] = {"book_id": "bk", "path": LESSON}
            prompts = {
                "edit_a_lesson": where | {"change": "shorten it"},
                "write_a_lesson": where | {"topic": "loops"},
                "review_a_chapter": where,
            }
            assert {prompt.name for prompt in await tools.client.list_prompts()} == prompts.keys()
            for name, arguments in prompts.items():
                (message,) = (await tools.client.get_prompt(name, arguments)).messages
                text = message.content.text
                assert LESSON in text
                assert all(word in text for word in ("expected_hash", "CONFLICT", "agent_id", "bk"))

    anyio.run(test)
