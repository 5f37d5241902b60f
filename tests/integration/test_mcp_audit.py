"""The audit tools, the plan's checkpoint and the command that verifies a store, from outside (FR-024, S36, S37)."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import anyio
import pytest

from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_builder.client import NO_WAITS, Client, PlanQuestion
from panaversity_fs.cli import run as command
from panaversity_fs.core.audit import Checkpoint, continues
from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.errors import ChainBroken
from panaversity_fs.core.merkle import includes
from support import stack
from support.live import LiveServer, clean_environment
from support.talking import Caller, talking

LESSON = "content/01-Part/01-Chapter/{:02}-lesson.md"


def checkpoint(body: dict[str, object]) -> Checkpoint:
    return Checkpoint(**body)  # type: ignore[arg-type]


def run(test: Callable[[], Awaitable[None]]) -> None:
    anyio.run(test)


async def write(tools: Caller, count: int, book: str = "bk") -> None:
    for number in range(count):
        await tools.call("write_content", book_id=book, path=LESSON.format(number), content=str(number))


def test_FR_024_ten_operations_are_ten_linked_entries_with_their_agents(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto", "an-editor") as tools:
            await write(tools, 8)
            error = await tools.refused("write_content", book_id="bk", path=LESSON.format(1), content="x")
            await tools.call("delete_content", book_id="bk", path=LESSON.format(1))
            answer = await tools.call("query_audit_log", book_id="bk")
        entries = answer["entries"]
        assert answer["count"] == len(entries) == 10
        assert answer["next_cursor"] is None
        assert [entry["seq"] for entry in entries] == list(range(1, 11))
        assert {entry["agent_id"] for entry in entries} == {"an-editor"}
        assert entries[8]["status"] == "refused"
        assert entries[8]["error_message"].startswith(error["code"])
        assert entries[9]["prev_hash"] == entries[1]["new_hash"] == digest_of(b"1")
        assert set(entries[0]) == {
            "id", "book_id", "incarnation", "seq", "revision", "timestamp", "agent_id", "operation", "path", "user_id",
            "prev_hash", "new_hash", "status", "error_message", "execution_time_ms", "entry_hash",
        }  # fmt: skip

    run(test)


def test_FR_024_filters_and_pages_over_the_tool(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await tools.call("create_book", book_id="bk")
            for number in range(99):
                path = f"content/01-Part/{number // 50 + 1:02}-Chapter/{number % 50:02}-lesson.md"
                await tools.call("write_content", book_id="bk", path=path, content="x")
            await tools.call("write_content", book_id="bk", path=LESSON.format(77), content="x")
            first = await tools.call("query_audit_log", book_id="bk")
            assert first["count"] == 100
            rest = await tools.call("query_audit_log", book_id="bk", cursor=first["next_cursor"])
            assert ([e["seq"] for e in rest["entries"]], rest["next_cursor"]) == ([101], None)
            one = await tools.call("query_audit_log", book_id="bk", path=LESSON.format(77))
            assert [e["seq"] for e in one["entries"]] == [101]
            folder = await tools.call("query_audit_log", book_id="bk", path="content/01-Part/02-Chapter/")
            assert folder["count"] == 49
            made = await tools.call("query_audit_log", book_id="bk", operation="create_book", agent_id="an-agent")
            assert made["count"] == 1
            when = made["entries"][0]["timestamp"]
            assert (await tools.call("query_audit_log", book_id="bk", until=when))["count"] == 0
            later = await tools.call("query_audit_log", book_id="bk", since=when, until="2999-01-01")
            assert later["count"] == 100

    run(test)


@pytest.mark.parametrize(("name", "value"), [
    ("since", "yesterday"), ("until", "2026-13-01"), ("since", "0001-01-01T00:00:00+23:59"), ("path", "a\x00b"),
    ("path", "a*b*c"), ("agent_id", "\u202e"), ("operation", "x\ny"), ("cursor", "!!"), ("cursor", "MS4"),
    ("cursor", "4pGgLjE"), ("path", "x" * 1001), ("book_id", "../etc"),
])  # fmt: skip
def test_S21_S6_arguments_that_mean_nothing_are_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await write(tools, 1)
            error = await tools.refused("query_audit_log", **{"book_id": "bk", name: value})
            assert error["code"] == "INVALID_ARGUMENT"
            assert (await tools.refused("query_audit_log", book_id="nothing-here"))["code"] == "NOT_FOUND"

    run(test)


def test_S36_S37_verify_audit_tells_checkpoint_rollback_and_receipt(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await write(tools, 5)
            plain = await tools.call("verify_audit", book_id="bk")
            assert (plain["valid"], plain["entries"], plain["first_broken"], plain["rollback"]) == (True, 5, None, None)
            old = plain["checkpoint"]
            await tools.call("delete_content", book_id="bk", path=LESSON.format(2))
            proved = await tools.call("verify_audit", book_id="bk", checkpoint=old, seq=3)
            assert proved["valid"]
            receipt = proved["inclusion"]
            now = checkpoint(receipt["checkpoint"])
            assert includes(Digest(receipt["entry_hash"]), 2, now.size, now.root, receipt["proof"])
            ahead = await tools.raw("verify_audit", book_id="bk", checkpoint={**old, "size": 50})
            assert not ahead.structured_content["valid"]
            assert "shrank from 50 to 6" in ahead.content[0].text
            forged = await tools.call("verify_audit", book_id="bk", checkpoint={**old, "root": "ab" * 32})
            assert "not a continuation" in forged["rollback"]
            for wrong in ({**old, "size": -1}, {**old, "size": "5"}, {**old, "root": "x"}, {"size": 1}, "x", []):
                assert (await tools.refused("verify_audit", book_id="bk", checkpoint=wrong))[
                    "code"
                ] == "INVALID_ARGUMENT"

    run(test)


def test_S37_plan_build_proves_that_the_log_continues_the_callers_checkpoint(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            await write(tools, 3)
            first = await tools.call("plan_build", book_id="bk")
            assert "proof" not in first
            old = checkpoint(first["checkpoint"])
            assert (old.book_id, old.incarnation, old.size) == ("bk", 1, 3)
            await tools.call("delete_content", book_id="bk", path=LESSON.format(2))
            second = await tools.raw("plan_build", book_id="bk", checkpoint=first["checkpoint"])
            body = second.structured_content
            assert continues(old, checkpoint(body["checkpoint"]), tuple(body["proof"])) == ""
            assert "does not continue" not in second.content[0].text
            ahead = await tools.raw("plan_build", book_id="bk", checkpoint={**first["checkpoint"], "size": 30})
            assert ahead.structured_content["proof"] is None
            assert "does not continue your checkpoint: the log shrank" in ahead.content[0].text

    run(test)


def test_S37_a_commit_over_the_data_plane_proves_that_it_continues_what_its_sender_saw(tmp_path: Path) -> None:
    path = LESSON.format(1)
    with LiveServer(tmp_path / "store") as server, Client(server.url, "tester", waits=NO_WAITS) as client:

        def commit(data: bytes, expected: Digest | None, key: str, seen: Checkpoint | None) -> tuple[object, object]:
            changeset = Changeset((Write(path, digest_of(data), len(data), expected),), operation="ingest")
            blobs = [(digest_of(data), len(data), lambda: iter([data]))]
            answer = client.send_changeset("bk", changeset, lambda: blobs, key, seen)
            return answer.checkpoint, answer.proof

        first, nothing = commit(b"one", None, "k1", None)
        assert isinstance(first, Checkpoint)
        assert nothing is None
        second, proof = commit(b"two", digest_of(b"one"), "k2", first)
        assert isinstance(second, Checkpoint)
        assert second.size == first.size + 1
        assert continues(first, second, proof) == ""  # type: ignore[arg-type]
        assert commit(b"two", digest_of(b"one"), "k2", second) == (second, ())  # the answer again
        assert commit(b"one", None, "k1", second) == (first, None)
        plan = client.plan_build("bk", PlanQuestion(seen=first))
        assert plan.checkpoint == second
        assert continues(first, second, plan.proof) == ""
        for wrong in ("", "1:2", "1:2:xyz", f"1:-2:{first.root}", f"1:2:3:{first.root}", f"x:2:{first.root}"):
            refused = server.request(
                "POST", "/books/bk/changesets", b"", {"X-Panaversity-Checkpoint": wrong, "Content-Type": "x"}
            )
            assert (refused.status, refused.code) == (400, "INVALID_ARGUMENT")


def test_S37_audit_verify_works_on_the_store_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "s"

    async def test() -> None:
        async with talking(store, "auto") as tools:
            await write(tools, 5)

    run(test)

    def verify(*options: str, book: str = "bk") -> tuple[int, str]:
        with patch.dict(os.environ, {**clean_environment(), **stack.environment(store)}, clear=True):
            status = command(["audit", "verify", book, *stack.flags(store), *options])
        return status, capsys.readouterr().out

    status, said = verify()
    assert status == 0
    assert said.startswith("bk: the audit log is intact, 5 entries")
    status, text = verify("--format", "json")
    body = json.loads(text)
    assert (status, body["valid"], body["checkpoint"]["size"]) == (0, True, 5)
    kept = tmp_path / "checkpoint.json"
    kept.write_text(text)
    assert verify("--since", str(kept))[0] == 0
    assert verify("--since", json.dumps(body["checkpoint"]))[0] == 0
    status, said = verify("--since", json.dumps(body["checkpoint"] | {"size": 9}))
    assert status == 13
    assert "rolled back or rewritten: the log shrank from 9 to 5" in said
    assert verify("--since", json.dumps(body["checkpoint"] | {"book_id": "other"}))[0] == 2
    assert verify("--since", "{}")[0] == 2
    assert verify("--since", str(tmp_path / "nothing"))[0] == 2
    assert command(["audit", "verify", "bk", "--store", str(tmp_path / "nowhere")]) == 15
    assert verify(book="nobody-made-this")[0] != 0
    stack.tamper(store, "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 3")
    capsys.readouterr()
    status, said = verify()
    assert status == 13
    assert said == "bk: the audit log is broken: entry 3 does not have the hash it should have\n"
    status, text = verify("--format", "json")
    assert status == 13
    assert json.loads(text)["first_broken"]["fault"] == "chain"


def test_S37_an_old_copy_of_the_database_behind_the_server_stops_the_next_ingest_and_hydrate(tmp_path: Path) -> None:
    store, chapter = tmp_path / "store", tmp_path / "docs/01-Part/01-Chapter"
    chapter.mkdir(parents=True)
    source = IngestOptions("bk", str(tmp_path / "docs"), str(tmp_path / ".panaversity"))
    output = HydrateOptions("bk", str(tmp_path / "book"))

    def loop(text: str) -> None:
        (chapter / "01-one.md").write_text(text)
        with LiveServer(store) as server, Client(server.url, "tester", waits=NO_WAITS) as client:
            ingest(client, source)
            hydrate(client, output)
            assert ingest(client, source).requests == hydrate(client, output).requests == 1
            assert server.stop() == 0

    loop("first")
    restore = stack.backup(store)
    loop("second")
    restore()
    with LiveServer(store) as server, Client(server.url, "tester", waits=NO_WAITS) as client:
        for run_again in (lambda: ingest(client, source), lambda: hydrate(client, output)):
            with pytest.raises(ChainBroken, match="shrank") as refusal:
                run_again()
            assert refusal.value.exit_status == 13
        assert (tmp_path / "book/01-Part/01-Chapter/01-one.md").read_text() == "second"
        ingest(client, replace(source, accept_rollback=True))
        hydrate(client, replace(output, accept_rollback=True))
        assert ingest(client, source).requests == hydrate(client, output).requests == 1


def test_S37_every_answer_of_a_change_carries_the_log_with_that_change_in_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            path = LESSON.format(1)
            made = await tools.call("create_book", book_id="bk", idempotency_key="make")
            wrote = await tools.call("write_content", book_id="bk", path=path, content="one two")
            edited = await tools.call(
                "edit_content", book_id="bk", path=path, old_text="two", new_text="three",
                expected_hash=wrote["file_hash"],
            )  # fmt: skip
            added = await tools.call(
                "append_content", book_id="bk", path=path, content="!", expected_hash=edited["file_hash"]
            )
            back = await tools.call(
                "restore_content", book_id="bk", path=path, revision=str(wrote["revision"]),
                expected_hash=added["file_hash"],
            )  # fmt: skip
            sent = {"book_id": "bk", "asset_type": "img", "filename": "a.png", "binary_data": "eA=="}
            upload = await tools.call("upload_asset", **sent)
            gone = await tools.call("delete_content", book_id="bk", path=path)
            ended = await tools.call("delete_book", book_id="bk", confirm="bk", idempotency_key="end")
            again = await tools.call("delete_book", book_id="bk", confirm="bk", idempotency_key="end")
            log = await tools.call("verify_audit", book_id="bk")
        answers = [made, wrote, edited, added, back, upload, gone]
        assert [answer["checkpoint"]["size"] for answer in answers] == [1, 2, 3, 4, 5, 6, 7]
        assert ended["checkpoint"] == again["checkpoint"] == log["checkpoint"]

    run(test)


def test_P6_a_repeated_create_book_with_its_key_is_no_conflict(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto") as tools:
            first = await tools.call("create_book", book_id="bk", schema="docusaurus", idempotency_key="k")
            assert await tools.call("create_book", book_id="bk", schema="docusaurus", idempotency_key="k") == first
            other = await tools.refused("create_book", book_id="bk", schema="strict", idempotency_key="k")
            assert (other["code"], other["name"]) == ("INVALID_ARGUMENT", "idempotency_key")
            assert (await tools.refused("create_book", book_id="bk", idempotency_key="l"))["code"] == "CONFLICT"
            assert (await tools.refused("create_book", book_id="bk", idempotency_key=""))["code"] == "INVALID_ARGUMENT"
            assert first["checkpoint"]["size"] == 1

    run(test)


def test_S37_an_accepted_rollback_is_an_entry_of_the_log(tmp_path: Path) -> None:
    async def test() -> None:
        async with talking(tmp_path / "s", "auto", "ci") as tools:
            await write(tools, 3)
            now = (await tools.call("plan_build", book_id="bk"))["checkpoint"]
            asked = {"book_id": "bk", "accept_rollback": True}
            honest = await tools.call("plan_build", **asked, checkpoint={k: now[k] for k in SEEN})
            assert honest["rollback_accepted"] is False
            seen = {"incarnation": 1, "size": now["size"] + 5, "root": digest_of(b"a log that is gone")}
            accepted = await tools.call("plan_build", **asked, checkpoint=seen)
            assert accepted["rollback_accepted"] is True
            assert accepted["checkpoint"]["size"] == now["size"] + 1
            (entry,) = (await tools.call("query_audit_log", book_id="bk", operation="accept_rollback"))["entries"]
            assert (entry["agent_id"], entry["path"]) == ("ci", f"checkpoint:1:{seen['size']}:{seen['root']}")
            bare = await tools.refused("plan_build", **asked)
            assert (bare["code"], bare["name"]) == ("INVALID_ARGUMENT", "accept_rollback")
            assert "rollback_accepted" not in await tools.call("plan_build", book_id="bk")

    run(test)


SEEN = ("incarnation", "size", "root")
