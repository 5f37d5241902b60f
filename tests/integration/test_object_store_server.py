"""A server whose bytes lie in an object store, met through its commands and over HTTP (F18, F20, P14, P15)."""

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from panaversity_builder.client import NO_WAITS, Client
from panaversity_fs.cli import run
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Unavailable
from support import postgres
from support.command import clean_environ, panaversity
from support.env_server import EnvServer
from support.fault_s3 import FaultStore, Trouble
from support.live import clean_environment
from support.object_store import SECRET, free_port, moto, rclone

LARGE, SMALL, OTHER = os.urandom(5_000_000), b"a few bytes", b"a few others"
PRESIGN = 1_000_000


def started(environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """How ``serve`` ends with these settings, and what it says; it must not come to listen."""
    database = {"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite'}"}
    with patch.dict(os.environ, {**clean_environment(), **database, **environment}, clear=True):
        status = run(["serve", "--port", "0"])
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert "listening" not in told.err
    assert SECRET not in told.err
    return status, told.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PANAVERSITY_S3_SECRET_ACCESS_KEY": "another-secret"}, ("403", "PANAVERSITY_S3_SECRET_ACCESS_KEY")),
        ({"PANAVERSITY_S3_ACCESS_KEY_ID": "another-key"}, ("403", "PANAVERSITY_S3_ACCESS_KEY_ID")),
        ({"PANAVERSITY_S3_BUCKET": "no-such-bucket"}, ("has no such bucket", "PANAVERSITY_S3_BUCKET")),
        ({"PANAVERSITY_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}"}, ("no connection", "PANAVERSITY_S3_ENDPOINT")),
        ({"PANAVERSITY_S3_CONDITIONAL": "require"}, ("ignores If-None-Match", "PANAVERSITY_S3_CONDITIONAL=lock")),
    ],
    ids=["secret", "key", "bucket", "endpoint", "conditional"],
)
def test_P14_a_server_that_cannot_use_its_store_says_why_and_exits_15(
    change: dict[str, str], words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = started({**rclone().environment("start"), **change}, tmp_path, capsys)
    assert status == 15
    assert all(word in told for word in words), told
    assert told.count("\n") == 1, "one sentence"


def test_P14_without_the_library_for_object_stores_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rclone().environment("start")
    with patch.dict(sys.modules, {"obstore": None}):
        for name in [name for name in sys.modules if name.startswith("panaversity_fs.store.object_")]:
            del sys.modules[name]
        status, told = started(dict(environment), tmp_path, capsys)
    assert status == 15
    assert "panaversity-fs[s3]" in told


@pytest.fixture(scope="module")
def store() -> Iterator[FaultStore]:
    with FaultStore().running() as running:
        yield running


@pytest.fixture(scope="module")
def server(store: FaultStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvServer]:
    """A server that lets large blobs be fetched from the store itself; a book with one large and one small file."""
    environment = {**store.server.environment("served"), "PANAVERSITY_S3_PRESIGN": str(PRESIGN)}
    with EnvServer(tmp_path_factory.mktemp("server"), environment) as running:
        source = tmp_path_factory.mktemp("source")
        (source / "img").mkdir()
        (source / "img" / "large.png").write_bytes(LARGE)
        (source / "intro.md").write_bytes(SMALL)
        (source / "other.md").write_bytes(OTHER)
        done = panaversity(
            "ingest", "--book-id", "bk", "--source-dir", str(source), cwd=source, environ=builder(running)
        )
        assert done.status == 0, done.err
        yield running


@pytest.fixture(autouse=True)
def no_trouble(store: FaultStore) -> Iterator[None]:
    yield
    store.troubles.clear()
    store.seen.clear()
    store.headers.clear()


def builder(server: EnvServer) -> dict[str, str]:
    return clean_environ(PANAVERSITY_MCP_URL=server.url)


def path_of(data: bytes) -> str:
    return f"/books/bk/blobs/{digest_of(data)}"


def test_a_large_blob_is_fetched_from_the_store_itself_and_a_small_one_is_not(server: EnvServer) -> None:
    answer = server.request("GET", path_of(LARGE))
    assert answer.status == 307
    assert answer.headers["location"].startswith("http://127.0.0.1:")
    assert answer.headers["cache-control"] == "no-store"
    assert server.request("GET", path_of(SMALL)).body == SMALL


def test_what_names_no_bytes_is_not_redirected(server: EnvServer) -> None:
    assert server.request("HEAD", path_of(LARGE)).status == 200
    tag = f'"{digest_of(LARGE)}"'
    assert server.request("GET", path_of(LARGE), headers={"If-None-Match": tag}).status == 304


def test_S3_S14_whoever_may_not_read_a_blob_gets_no_link_to_it(server: EnvServer) -> None:
    assert server.request("GET", path_of(b"another")).status == 404


def fetched(client: Client, start: int = 0) -> bytes:
    manifest = client.plan_build("bk").manifest_hash
    return b"".join(client.fetch_blob("bk", manifest, digest_of(LARGE), start, len(LARGE)))


def test_S3_the_builder_follows_and_sends_neither_token_nor_name_there(server: EnvServer, store: FaultStore) -> None:
    with Client(server.url, "an-agent", "the-token", waits=NO_WAITS) as client:
        store.headers.clear()
        assert fetched(client) == LARGE
        assert fetched(client, 1000) == LARGE[1000:]
    followed = [sent for asked, sent in zip(store.seen, store.headers, strict=True) if "X-Amz-Signature" in asked]
    assert [sent.get("range") for sent in followed] == [None, "bytes=1000-"]
    for sent in followed:
        assert "authorization" not in sent
        assert "the-token" not in str(sent)
        assert "an-agent" not in str(sent)


def test_F20_P4_wrong_bytes_from_a_link_are_never_a_file(server: EnvServer, store: FaultStore, tmp_path: Path) -> None:
    words = ("hydrate", "--book-id", "bk", "--output-dir", "out")
    environ = builder(server) | {"PANAVERSITY_CACHE_SIZE": "0"}
    store.troubles.append(Trouble("flip", method="GET", name="X-Amz-Signature", times=1e9, at=7))
    done = panaversity(*words, cwd=tmp_path, environ=environ)
    assert done.status == 10, done.err
    assert "other bytes than its digest promises" in done.err
    assert not list(tmp_path.glob("out/**/large.png"))
    store.troubles.clear()
    assert panaversity(*words, cwd=tmp_path, environ=environ).status == 0
    assert [path.read_bytes() == LARGE for path in tmp_path.glob("out/**/large.png")] == [True]


def test_a_link_that_does_not_work_is_told_as_something_to_try_again(server: EnvServer, store: FaultStore) -> None:
    with Client(server.url, "an-agent", waits=NO_WAITS) as client:
        store.troubles.append(Trouble("answer", method="GET", name="X-Amz-Signature", status=403, code="AccessDenied"))
        with pytest.raises(Unavailable) as fault:
            fetched(client)
        assert "X-Amz" not in str(fault.value)
        assert fetched(client) == LARGE


def test_F18_a_store_that_is_down_shows_in_readiness_and_changes_nothing(server: EnvServer, store: FaultStore) -> None:
    assert server.request("GET", "/readyz").status == 200
    store.troubles.append(Trouble("answer", times=1e9))
    answer = server.request("GET", "/readyz")
    assert answer.status == 503
    assert "127.0.0.1" not in answer.body.decode()
    store.troubles.clear()
    assert server.request("GET", "/readyz").status == 200


@pytest.mark.parametrize("objects", [pytest.param(moto, marks=pytest.mark.full), rclone], ids=["moto", "rclone"])
def test_P15_a_book_goes_in_comes_out_and_is_looked_after(objects: object, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "examples" / "book"
    environment = objects().environment(f"server-{tmp_path.name}")  # type: ignore[operator]
    with EnvServer(tmp_path, environment) as running:
        environ = builder(running)
        done = panaversity("ingest", "--book-id", "bk", "--source-dir", str(source), cwd=tmp_path, environ=environ)
        assert done.status == 0, done.err
        done = panaversity("hydrate", "--book-id", "bk", "--output-dir", "out", cwd=tmp_path, environ=environ)
        assert done.status == 0, done.err
        archive = running.request("GET", "/books/bk/archive")
        assert archive.status == 200
        cut = running.request("GET", "/books/bk/archive", headers={"Range": "bytes=100-50000"})
        assert cut.body == archive.body[100:50001]
        with patch.dict(os.environ, running.environment, clear=True):
            assert run(["fsck", "--read-data"]) == 0
            assert run(["gc", "--yes"]) == 0
            assert run(["fsck", "--read-data"]) == 0
        assert running.stop() == 0
    assert {path.relative_to(source): path.read_bytes() for path in source.rglob("*") if path.is_file()} == {
        path.relative_to(tmp_path / "out"): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and ".panaversity" not in path.parts
    }


def test_F19_16_readers_of_what_hangs_in_the_store_hold_up_nobody_else(server: EnvServer, store: FaultStore) -> None:
    """Everybody else is served, again and again, while all of them still wait."""
    store.troubles.append(Trouble("hang", method="GET", name=digest_of(SMALL), times=1e9))
    address = urlsplit(server.url)
    with ExitStack() as stack:
        waiting = [HTTPConnection(address.hostname or "", address.port, timeout=30) for _ in range(16)]
        for connection in waiting:
            stack.callback(connection.close)
            connection.request("GET", path_of(SMALL))
        until = time.monotonic() + 10
        while sum(digest_of(SMALL) in asked for asked in store.seen) < 16:
            assert time.monotonic() < until, "not all of them came to the store"
            time.sleep(0.01)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: server.request("GET", path_of(OTHER)), range(160)))
        assert {(answer.status, answer.body) for answer in answers} == {(200, OTHER)}
        heads = [connection.sock.recv(65536) for connection in waiting]
        assert all(head.endswith(b"\r\n\r\n") for head in heads), "a head, and no byte of a body"
        answered, _, _ = select.select([connection.sock for connection in waiting], [], [], 0)
        assert answered == []


def test_F17_P15_a_book_is_exported_taken_in_elsewhere_lost_and_rebuilt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a running server over PostgreSQL and an object store; what a folder and SQLite do is test_cli_care's."""
    here, there = ({
        "DATABASE_URL": postgres.new_database(), **rclone().environment(f"care-{number}-{tmp_path.name}")
    } for number in (1, 2))  # fmt: skip
    lost = {**here, "DATABASE_URL": postgres.new_database(empty=True)}
    path, file = "content/01-Part/01-Chapter/01-a.md", str(tmp_path / "bk.tar")

    def command(environment: dict[str, str], *words: str) -> tuple[int, dict[str, Any]]:
        with patch.dict(os.environ, {**clean_environment(), **environment}, clear=True):
            status = run([*words])
        said = capsys.readouterr()
        assert "bug" not in said.err
        return status, json.loads(said.out) if said.out else {}

    with EnvServer(tmp_path, here) as running:
        running.call("write_content", book_id="bk", path=path, content="base")
        running.call("write_content", book_id="bk", path=path, content="mine", user_id="amy")
        told = running.call("plan_build", book_id="bk").structured["manifest_hash"]
        status, out = command(here, "export", "--book", "bk", "--overlays", file)
        assert (status, out["files"], out["overlay_files"], out["manifest_hash"]) == (0, 1, 1, told)
        assert command(there, "import", "--book", "copy", file)[0] == 0
        assert command(there, "import", "--book", "copy", file)[0] == 11
        status, again = command(there, "export", "--book", "copy", "--overlays", file)
        assert (status, again["overlay_files"], again["manifest_hash"]) == (0, 1, told)
        status, report = command(there, "audit", "verify", "copy", "--format", "json")
        assert (status, report["valid"]) == (0, True)
    for words in (["export", "--book", "bk", file], ["audit", "verify", "bk"]):
        assert command(lost, *words)[0] == 15, "an empty database over a store with bytes is a lost one"
    assert command(lost, "rebuild", "--book", "bk", "--manifest", told)[0] == 0
    assert command(lost, "rebuild", "--book", "bk", "--manifest", told)[0] == 11
    assert command(lost, "fsck", "--read-data", "--audit")[0] == 16
    status, out = command(lost, "export", "--book", "bk", file)
    assert (status, out["files"], out["manifest_hash"]) == (0, 1, told)
