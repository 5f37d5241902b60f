"""``panaversity-fs gc | fsck | rebuild | export | import`` as operators meet them: lines, sentences, exit statuses."""

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from panaversity_fs import cli
from panaversity_fs.cli_care import chosen
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.library import open_library
from panaversity_fs.store.blob_rows import BlobRow
from panaversity_fs.store.blobs import BlobKey
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


def run(*words: str | Path, **environ: str) -> Ended:
    """The command in this process: what a process of its own costs is not what these tests are about."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, clean_environment() | environ, clear=True),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        status = cli.run([*map(str, words)])
    assert "bug" not in err.getvalue(), err.getvalue()
    return Ended(status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue())


def in_a_process(*words: str | Path) -> Ended:
    """The command as an operator starts it."""
    done = subprocess.run(
        [sys.executable, "-m", "panaversity_fs", *map(str, words)], env=clean_environment(),
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store folder whose book was changed two months ago: the old bytes are nobody's any more."""
    folder = tmp_path / "store"
    folder.mkdir()

    async def fill() -> None:
        opened = open_library(f"sqlite+aiosqlite:///{folder}/panaversity_fs.db", str(folder), clock=lambda: LONG_AGO)
        async with opened as library:
            await ingest(library, {lesson(1): OLD, lesson(2): b"two"})
            await ingest(library, {lesson(1): NEW}, expected={lesson(1): digest_of(OLD)}, with_manifest=True)

    asyncio.run(fill())
    return folder


def blob(store: Path, data: bytes) -> Path:
    return store / BlobKey(BOOK, 1, digest_of(data)).name


def test_gc_is_dry_until_it_is_told_otherwise_and_ends_clean(store: Path) -> None:
    dry = run("gc", "--store", store)
    assert (dry.status, dry.lines[0]["blobs"]) == (0, 1)
    assert "say --yes" in dry.err
    assert blob(store, OLD).exists()
    assert run("gc", "--store", store, "--yes", "--retention", "90d").lines[0]["blobs"] == 0
    assert run("gc", "--store", store, "--yes", "--max", "0").lines[0]["condemned"] == 1
    assert run("gc", "--store", store, "--yes").lines[0]["blobs"] == 1
    assert not blob(store, OLD).exists()
    assert blob(store, NEW).exists()
    end = run("fsck", "--store", store, "--read-data", "--audit")
    assert (end.status, end.lines) == (0, [])


def test_gc_refuses_a_retention_shorter_than_promises_are_renewed(store: Path) -> None:
    for words in (["--retention", "1h"], ["--retention", "soon"], ["--max", "-1"]):
        assert run("gc", "--store", store, "--yes", *words).status == 2
    assert blob(store, OLD).exists()
    assert run("gc", "--store", store, "--yes", PANAVERSITYFS_READ_ONLY="true").status == 10


def test_P16_fsck_names_damage_and_repair_takes_bytes_from_a_folder(store: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "any name.md").write_bytes(NEW)
    blob(store, NEW).write_bytes(NEW[::-1])
    blob(store, b"two").unlink()
    assert run("fsck", "--store", store).status == 0, "quick does not look at the medium"
    assert run("fsck", "--store", store, "--structure").status == 2
    deep = run("fsck", "--store", store, "--read-data")
    assert deep.status == 3
    assert {(line["kind"], line["digest"], *line["paths"]) for line in deep.lines} == {
        ("corrupt", digest_of(NEW), lesson(1)), ("missing", digest_of(b"two"), lesson(2)),
    }  # fmt: skip
    dry = run("fsck", "--store", store, "--read-data", "--repair", "--from", source)
    assert (dry.status, any(line.get("done") for line in dry.lines)) == (3, False)
    assert blob(store, NEW).read_bytes() == NEW[::-1]
    done = run("fsck", "--store", store, "--read-data", "--repair", "--from", source, "--yes")
    assert [(line["repair"], line["done"]) for line in done.lines if "repair" in line] == [
        ("send again", False), ("quarantine", True), ("restore", True),
    ]  # fmt: skip
    assert blob(store, NEW).read_bytes() == NEW
    assert run("fsck", "--store", store, "--read-data", "--audit").status == 2


def test_fsck_usage_errors_leave_with_64(store: Path) -> None:
    for words in (
        ["--yes"], ["--from", str(store)], ["--quick", "--audit"], ["--read-data", "--read-data-subset", "1/7"],
        ["--read-data-subset", "8/7"], ["--read-data-subset", "some"], ["--no-such-flag"],
    ):  # fmt: skip
        assert run("fsck", "--store", store, *words).status == 64, words


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
    for name in ("panaversity_fs.db", "panaversity_fs.db-wal", "panaversity_fs.db-shm"):
        (store / name).unlink(missing_ok=True)
    for words in (["gc", "--yes"], ["fsck"], ["migrate"]):
        refused = run(*words, "--store", store)
        assert refused.status == 15, refused
        assert "is empty, but the blob store holds the bytes of books" in refused.err
        assert not (store / "panaversity_fs.db").exists()
    assert run("rebuild", "--store", store, "--book", BOOK, "--manifest", "nonsense").status == 2
    done = run("rebuild", "--store", store, "--book", BOOK, "--manifest", told)
    assert (done.status, done.lines[0]["files"]) == (0, 2), done
    for lost in ("Overlays", "untold", "backup"):
        assert lost in done.err
    assert run("fsck", "--store", store, "--read-data", "--audit").status == 16
    assert run("rebuild", "--store", store, "--book", BOOK, "--manifest", told).status == 11


async def _told(store: Path) -> str:
    opened = open_library(f"sqlite+aiosqlite:///{store}/panaversity_fs.db", str(store), clock=lambda: LONG_AGO)
    async with opened as library:
        return str((await library.plan(BOOK, None)).manifest_hash)


def test_export_and_import_carry_a_book_to_another_store(store: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "book.tar", tmp_path / "other"
    other.mkdir()
    out = run("export", "--store", store, "--book", BOOK, file)
    assert out.status == 0
    assert out.lines[0]["files"] == 2
    assert len((tmp_path / "book.tar.audit.jsonl").read_text().splitlines()) == out.lines[0]["log"] == 3
    taken = run("import", "--store", other, "--book", "copy", "--agent", "me", file)
    assert taken.status == 0, taken
    assert taken.lines[0]["manifest_hash"] == out.lines[0]["manifest_hash"]
    assert run("import", "--store", other, "--book", "copy", file).status == 11
    assert run("export", "--store", other, "--book", "copy", tmp_path / "again.tar").status == 0
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()
    assert run("export", "--store", store, "--book", "nobody-s", tmp_path / "no.tar").status == 2
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("no.tar")]
    file.write_bytes(file.read_bytes()[:-2000])
    assert run("import", "--store", other, "--book", "third", file).status == 13


def test_F33_gc_and_fsck_work_beside_a_running_server(store: Path) -> None:
    with LiveServer(store) as server:
        assert in_a_process("gc", "--store", store, "--yes").status == 0
        held = digest_of(NEW)
        changed = server.call("write_content", book_id=BOOK, path=lesson(1), content=OLD.decode(), expected_hash=held)
        assert not changed.is_error, changed
        assert server.call("read_content", book_id=BOOK, path=lesson(1)).structured["content"] == OLD.decode()
        assert run("fsck", "--store", store, "--read-data", "--audit").status == 0
        assert run("gc", "--store", store, "--yes").status == 0
        assert server.call("read_content", book_id=BOOK, path=lesson(1)).structured["content"] == OLD.decode()
    assert os.path.isfile(store / BlobKey(BOOK, 1, digest_of(OLD), 1).name), "the bytes came back as a new generation"


def test_S38_audit_prune_is_dry_until_told_and_every_checkpoint_still_holds(store: Path) -> None:
    seen = run("audit", "verify", BOOK, "--format", "json", "--store", store).lines[0]
    assert (seen["valid"], seen["entries"]) == (True, 3)
    would = {"book": BOOK, "incarnation": 1, "upto": 3, "removed": 1}
    dry = run("audit", "prune", "--keep", "31d", "--store", store)
    assert (dry.status, dry.lines) == (0, [would])
    assert "would be pruned (say --yes)" in dry.err
    done = run("audit", "prune", "--keep", "31d", "--yes", "--agent", "olga", "--store", store)
    assert (done.status, done.lines) == (0, [would])
    assert run("audit", "prune", "--keep", "31d", "--yes", "--store", store).lines == []
    after = run(
        "audit", "verify", BOOK, "--format", "json", "--since", json.dumps(seen["checkpoint"]), "--store", store
    )
    assert (after.status, after.lines[0]["entries"], after.lines[0]["rollback"]) == (0, 4, None)
    assert run("fsck", "--audit", "--store", store).status == 0


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
    ended = run("audit", "prune", *flags, "--yes", "--store", store)
    assert (ended.status, ended.lines) == (2, [])
    assert said in ended.err


def test_what_fsck_and_gc_found_is_told_by_the_server_beside_them(store: Path) -> None:
    blob(store, NEW).unlink()
    assert run("fsck", "--structure", "--store", store).status == 2
    assert run("fsck", "--quick", "--store", store).status == 0
    assert run("gc", "--yes", "--store", store).status == 0
    with LiveServer(store) as server:
        told = server.request("GET", "/metrics").body.decode()
    assert 'panaversityfs_fsck_findings{depth="structure",kind="missing"} 1.0' in told
    assert 'panaversityfs_fsck_findings{depth="quick",kind="missing"} 0.0' in told
    assert "panaversityfs_gc_removed_objects 1.0" in told
    assert "panaversityfs_gc_timestamp_seconds 0.0" not in told
