"""``panaversity-fs gc | fsck | rebuild | export | import`` as operators meet them: lines, sentences, exit statuses."""

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from panaversity_fs import cli
from panaversity_fs.cli_care import chosen
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.library import Library, open_library
from panaversity_fs.library.storage import blobs_of
from panaversity_fs.store.blob_rows import BlobRow
from panaversity_fs.store.blobs import BlobKey
from support import stack
from support.live import LiveServer, clean_environment
from support.stores import BOOK, ingest, lesson

OLD, NEW = b"as it was", b"as it is now"
LONG_AGO = datetime.now(UTC) - timedelta(days=60)


@dataclass(frozen=True)
class Ended:
    """How a command ended; ``lines`` are the JSON lines of stdout."""

    status: int
    lines: list[dict[str, Any]]
    err: str


def run(store: Path, *words: str | Path, **environ: str) -> Ended:
    """The command in this process: what a process of its own costs is not what these tests are about."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {**clean_environment(), **stack.environment(store), **environ}, clear=True),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        status = cli.run([*map(str, words), *stack.flags(store)])
    assert "bug" not in err.getvalue(), err.getvalue()
    return Ended(status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue())


def in_a_process(store: Path, *words: str | Path) -> Ended:
    """The command as an operator starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "panaversity_fs", *map(str, words), *stack.flags(store)],
        env={**clean_environment(), **stack.environment(store)}, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store whose book was changed two months ago: the old bytes are nobody's any more."""
    folder = tmp_path / "store"

    async def fill() -> None:
        async with opened(folder) as library:
            await ingest(library, {lesson(1): OLD, lesson(2): b"two"})
            await ingest(library, {lesson(1): NEW}, expected={lesson(1): digest_of(OLD)}, with_manifest=True)

    asyncio.run(fill())
    return folder


def opened(store: Path) -> AbstractAsyncContextManager[Library]:
    """The library as it was two months ago."""
    settings = stack.settings(store)
    return open_library(settings.database_url, settings.storage_root, blobs=blobs_of(settings), clock=lambda: LONG_AGO)


def key(data: bytes, generation: int = 0) -> BlobKey:
    return BlobKey(BOOK, 1, digest_of(data), generation)


def is_there(store: Path, data: bytes, generation: int = 0) -> bool:
    return key(data, generation).name in stack.served_blobs(store).names()


def held(store: Path, data: bytes) -> bytes:
    """What stands where these bytes should."""
    (found,) = asyncio.run(stack.served_blobs(store).blobs.read_many([key(data)]))
    return found


def lose(store: Path, data: bytes) -> None:
    asyncio.run(stack.served_blobs(store).blobs.remove(key(data)))


def test_gc_is_dry_until_it_is_told_otherwise_and_ends_clean(store: Path) -> None:
    dry = run(store, "gc")
    assert (dry.status, dry.lines[0]["blobs"]) == (0, 1)
    assert "say --yes" in dry.err
    assert is_there(store, OLD)
    assert run(store, "gc", "--yes", "--retention", "90d").lines[0]["blobs"] == 0
    assert run(store, "gc", "--yes", "--max", "0").lines[0]["condemned"] == 1
    assert run(store, "gc", "--yes").lines[0]["blobs"] == 1
    assert not is_there(store, OLD)
    assert is_there(store, NEW)
    end = run(store, "fsck", "--read-data", "--audit")
    assert (end.status, end.lines) == (0, [])


def test_gc_refuses_a_retention_shorter_than_promises_are_renewed(store: Path) -> None:
    for words in (["--retention", "1h"], ["--retention", "soon"], ["--max", "-1"]):
        assert run(store, "gc", "--yes", *words).status == 2
    assert is_there(store, OLD)
    assert run(store, "gc", "--yes", PANAVERSITYFS_READ_ONLY="true").status == 10


def test_P16_fsck_names_damage_and_repair_takes_bytes_from_a_folder(store: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "any name.md").write_bytes(NEW)
    stack.served_blobs(store).damage(key(NEW), NEW[::-1])
    lose(store, b"two")
    assert run(store, "fsck").status == 0, "quick does not look at the medium"
    assert run(store, "fsck", "--structure").status == 2
    deep = run(store, "fsck", "--read-data")
    assert deep.status == 3
    assert {(line["kind"], line["digest"], *line["paths"]) for line in deep.lines} == {
        ("corrupt", digest_of(NEW), lesson(1)), ("missing", digest_of(b"two"), lesson(2)),
    }  # fmt: skip
    dry = run(store, "fsck", "--read-data", "--repair", "--from", source)
    assert (dry.status, any(line.get("done") for line in dry.lines)) == (3, False)
    assert held(store, NEW) == NEW[::-1]
    done = run(store, "fsck", "--read-data", "--repair", "--from", source, "--yes")
    assert [(line["repair"], line["done"]) for line in done.lines if "repair" in line] == [
        ("send again", False), ("quarantine", True), ("restore", True),
    ]  # fmt: skip
    assert held(store, NEW) == NEW
    assert run(store, "fsck", "--read-data", "--audit").status == 2


def test_fsck_usage_errors_leave_with_64(store: Path) -> None:
    for words in (
        ["--yes"], ["--from", str(store)], ["--quick", "--audit"], ["--read-data", "--read-data-subset", "1/7"],
        ["--read-data-subset", "8/7"], ["--read-data-subset", "some"], ["--no-such-flag"],
    ):  # fmt: skip
        assert run(store, "fsck", *words).status == 64, words


def row(number: int, size: int = 10) -> BlobRow:
    return BlobRow(BOOK, 1, digest_of(str(number).encode()), 0, size, 0, "live", LONG_AGO)


def test_subsets_cover_everything_in_turn_or_as_much_as_was_asked() -> None:
    rows = [row(n) for n in range(200)]
    parts: list[set[Digest]] = []
    for part in range(1, 8):
        pick = chosen(f"{part}/7", "salt")
        assert pick is not None
        parts.append(pick(rows))
    assert sum(map(len, parts)) == 200
    assert set.union(*parts) == {r.sha256 for r in rows}
    for subset, wanted in (("10%", 20), ("0.1%", 1), ("100%", 200), ("95", 10), ("1K", 103), ("1", 1), ("1T", 200)):
        pick = chosen(subset, "salt")
        assert pick is not None
        assert len(pick(rows)) == wanted, subset
        other = chosen(subset, "pepper")
        assert other is not None
        assert wanted in (1, 200) or pick(rows) != other(rows), "another run reads others"
    for wrong in ("0/7", "8/7", "0%", "101%", "", "-1", "1X", "a/b"):
        assert chosen(wrong, "salt") is None, wrong


def test_F16_F17_a_lost_database_is_refused_and_the_book_rebuilt(store: Path) -> None:
    told = json.loads(json.dumps(asyncio.run(_told(store))))
    stack.lose_database(store)
    for words in (["gc", "--yes"], ["fsck"], ["migrate"]):
        refused = run(store, *words)
        assert refused.status == 15, refused
        assert "is empty, but the blob store holds the bytes of books" in refused.err
        assert not (store / stack.SERVED).exists()
    assert run(store, "rebuild", "--book", BOOK, "--manifest", "nonsense").status == 2
    done = run(store, "rebuild", "--book", BOOK, "--manifest", told)
    assert (done.status, done.lines[0]["files"]) == (0, 2), done
    for lost in ("Overlays", "untold", "backup"):
        assert lost in done.err
    assert run(store, "fsck", "--read-data", "--audit").status == 16
    assert run(store, "rebuild", "--book", BOOK, "--manifest", told).status == 11


async def _told(store: Path) -> str:
    async with opened(store) as library:
        return str((await library.plan(BOOK, None)).manifest_hash)


def test_export_and_import_carry_a_book_to_another_store(store: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "book.tar", tmp_path / "other"
    other.mkdir()
    out = run(store, "export", "--book", BOOK, file)
    assert out.status == 0
    assert out.lines[0]["files"] == 2
    assert len((tmp_path / "book.tar.audit.jsonl").read_text().splitlines()) == out.lines[0]["log"] == 3
    taken = run(other, "import", "--book", "copy", "--agent", "me", file)
    assert taken.status == 0, taken
    assert taken.lines[0]["manifest_hash"] == out.lines[0]["manifest_hash"]
    assert run(other, "import", "--book", "copy", file).status == 11
    assert run(other, "export", "--book", "copy", tmp_path / "again.tar").status == 0
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()
    assert run(store, "export", "--book", "nobody-s", tmp_path / "no.tar").status == 2
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("no.tar")]
    file.write_bytes(file.read_bytes()[:-2000])
    assert run(other, "import", "--book", "third", file).status == 13


def test_F33_gc_and_fsck_work_beside_a_running_server(store: Path) -> None:
    with LiveServer(store) as server:
        assert in_a_process(store, "gc", "--yes").status == 0
        changed = server.call(
            "write_content", book_id=BOOK, path=lesson(1), content=OLD.decode(), expected_hash=digest_of(NEW)
        )
        assert not changed.is_error, changed
        assert server.call("read_content", book_id=BOOK, path=lesson(1)).structured["content"] == OLD.decode()
        assert run(store, "fsck", "--read-data", "--audit").status == 0
        assert run(store, "gc", "--yes").status == 0
        assert server.call("read_content", book_id=BOOK, path=lesson(1)).structured["content"] == OLD.decode()
    assert is_there(store, OLD, generation=1), "the bytes came back as a new generation"


def test_S38_audit_prune_is_dry_until_told_and_every_checkpoint_still_holds(store: Path) -> None:
    seen = run(store, "audit", "verify", BOOK, "--format", "json").lines[0]
    assert (seen["valid"], seen["entries"]) == (True, 3)
    would = {"book": BOOK, "incarnation": 1, "upto": 3, "removed": 1}
    dry = run(store, "audit", "prune", "--keep", "31d")
    assert (dry.status, dry.lines) == (0, [would])
    assert "would be pruned (say --yes)" in dry.err
    done = run(store, "audit", "prune", "--keep", "31d", "--yes", "--agent", "olga")
    assert (done.status, done.lines) == (0, [would])
    assert run(store, "audit", "prune", "--keep", "31d", "--yes").lines == []
    after = run(store, "audit", "verify", BOOK, "--format", "json", "--since", json.dumps(seen["checkpoint"]))
    assert (after.status, after.lines[0]["entries"], after.lines[0]["rollback"]) == (0, 4, None)
    assert run(store, "fsck", "--audit").status == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--keep", "29d"], "less than 30 days"),
        (["--before", "2999-01-01"], "less than 30 days"),
        ([], "give --keep or --before"),
        (["--keep", "40d", "--before", "2020-01-01"], "give --keep or --before"),
        (["--keep", "soon"], "is not a duration"),
    ],
)
def test_S38_audit_prune_refuses_what_gc_and_running_builds_still_need(
    store: Path, flags: list[str], said: str
) -> None:
    ended = run(store, "audit", "prune", *flags, "--yes")
    assert (ended.status, ended.lines) == (2, [])
    assert said in ended.err


def test_what_fsck_and_gc_found_is_told_by_the_server_beside_them(store: Path) -> None:
    lose(store, NEW)
    assert run(store, "fsck", "--structure").status == 2
    assert run(store, "fsck", "--quick").status == 0
    assert run(store, "gc", "--yes").status == 0
    with LiveServer(store) as server:
        told = server.request("GET", "/metrics").body.decode()
    assert 'panaversityfs_fsck_findings{depth="structure",kind="missing"} 1.0' in told
    assert 'panaversityfs_fsck_findings{depth="quick",kind="missing"} 0.0' in told
    assert "panaversityfs_gc_removed_objects 1.0" in told
    assert "panaversityfs_gc_timestamp_seconds 0.0" not in told
