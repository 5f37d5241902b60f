"""The command ``panaversity-fs``: start, note, lock, stop, refusals to start; nothing leaves as a traceback."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support import stack
from support.live import LiveServer, clean_environment, serve_command
from support.scraped import scraped


def run(*arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "panaversity_fs", *arguments], cwd=cwd, timeout=60, check=False, text=True,
        capture_output=True, stdin=subprocess.DEVNULL, env={**clean_environment(), **(environment or {})},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@contextmanager
def client(store: Path) -> Iterator[None]:
    """What a builder command does while it uses the embedded server."""
    store.mkdir(exist_ok=True)
    descriptor = os.open(store / "clients.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@stack.only_folder
def test_a_server_says_where_it_is_and_leaves_cleanly_on_SIGTERM(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        note = json.loads((server.store / "server.json").read_text())
        assert note == {"url": server.url, "pid": server.pid, "instance": note["instance"], "version": "0.1.0"}
        assert server.request("GET", "/healthz").json()["instance"] == note["instance"]
        assert server.stop() == 0
        assert not (server.store / "server.json").exists()
        assert server.output.read_text() == ""
        (line,) = server.errors.read_text().splitlines()
        assert json.loads(line)["event"] == f"listening on {server.url}"


def test_what_was_acknowledged_is_there_after_a_kill_and_a_stale_note_is_replaced(tmp_path: Path) -> None:
    path = "content/01-A/01-B/01-c.md"
    with LiveServer(tmp_path / "store") as server:
        server.call("write_content", book_id="bk", path=path, content="kept")
        first = server.pid
        server.kill()
        assert stack.CLOUD or (server.store / "server.json").exists()
        server.start()
        assert server.pid != first
        assert server.call("read_content", book_id="bk", path=path).structured["content"] == "kept"


@stack.only_folder
def test_F39_a_second_server_on_one_store_refuses(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        status, out, err = run("serve", "--store", str(server.store), "--port", "0")
        assert (status, out) == (15, "")
        assert "is served by another server already" in err
        assert server.request("GET", "/readyz").status == 200


def test_a_stop_lets_a_running_upload_finish(tmp_path: Path) -> None:
    import hashlib
    import threading

    digest = hashlib.sha256(b"ab" * 1000).hexdigest()
    with LiveServer(tmp_path / "store") as server:
        server.call("create_book", book_id="bk")
        started, answers = threading.Event(), []

        def slowly() -> Iterator[bytes]:
            yield b"ab" * 500
            started.set()
            time.sleep(2.0)
            yield b"ab" * 500

        upload = threading.Thread(
            target=lambda: answers.append(server.request("PUT", f"/books/bk/blobs/{digest}", slowly()))
        )
        upload.start()
        assert started.wait(10)
        for _ in range(1000):  # until the server is at work on it: what comes after the signal is turned away
            if scraped(server.request("GET", "/metrics").body.decode())("requests_running"):
                break
            time.sleep(0.01)
        assert server.stop() == 0
        upload.join()
        assert [a.status for a in answers] == [201]


@stack.only_folder
def test_an_embedded_server_leaves_when_its_last_client_left(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with ExitStack() as opened:
        first = opened.enter_context(ExitStack())
        first.enter_context(client(store))
        server = opened.enter_context(LiveServer(store, arguments=["--until-unused"]))
        with client(store):
            first.close()
            time.sleep(0.5)
            assert server.request("GET", "/healthz").status == 200
        assert server.wait(5) == 0
        assert not (store / "server.json").exists()


@stack.only_folder
def test_an_embedded_server_that_nobody_asked_for_leaves_after_its_grace(tmp_path: Path) -> None:
    began = time.monotonic()
    with LiveServer(tmp_path / "store", arguments=["--until-unused"]) as server:
        assert server.wait(15) == 0
    assert time.monotonic() - began > 5


@stack.only_folder
def test_the_local_profile_ignores_the_database_and_storage_of_the_environment(tmp_path: Path) -> None:
    stray = {
        "DATABASE_URL": "postgresql+asyncpg://user:secret@db.example/x", "PANAVERSITY_STORAGE_BACKEND": "s3",
        "PANAVERSITY_S3_BUCKET": "bucket", "PANAVERSITY_STORAGE_ROOT": str(tmp_path / "elsewhere"),
    }  # fmt: skip
    with LiveServer(tmp_path / "store", environment=stray) as server:
        server.call("create_book", book_id="bk")
        assert (server.store / "panaversity_fs.db").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_store_the_environment_decides(tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/own.db", "PANAVERSITY_STORAGE_ROOT": str(tmp_path / "blobs"),
    }  # fmt: skip
    assert run("migrate", environment=environment)[0] == 0
    assert (tmp_path / "own.db").exists()
    assert run("migrate", environment=environment)[0] == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PANAVERSITY_SERVER_HOST": "0.0.0.0"}, "is not a loopback address"),
        ({"PANAVERSITY_SERVER_PORT": "http"}, "PANAVERSITY_SERVER_PORT: is not a number"),
        ({"PANAVERSITY_SERVER_PORT": "70000"}, "is more than 65535"),
        ({"DATABASE_URL": "postgresql://u:secret@h/d"}, "names PostgreSQL but does not begin"),
        ({"DATABASE_URL": "mysql://u:secret@h/d"}, "does not begin with sqlite"),
        ({"PANAVERSITY_STORAGE_BACKEND": "s3"}, "PANAVERSITY_S3_BUCKET: is not set"),
        ({"PANAVERSITY_AUTH_ISSUER": "https://i.example"}, "PANAVERSITY_AUTH_AUDIENCE: is not set"),
        ({"PANAVERSITYFS_READ_ONLY": "perhaps"}, "is neither true nor false"),
        ({"PANAVERSITY_AGENT_ID": "System"}, "is no agent"),
        ({"DATABASE_URL": "sqlite+aiosqlite:////no/such/folder/x.db"}, ""),
    ],
    ids=str,
)
def test_P14_a_wrong_setting_is_one_sentence_and_exit_15(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    status, out, err = run("serve", cwd=tmp_path, environment=environment)
    assert (status, out) == (15, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "secret" not in err


def test_a_taken_port_is_one_sentence_and_exit_15(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = run("serve", "--store", str(tmp_path / "s"), "--port", str(taken.getsockname()[1]))
    assert status == 15
    assert "is taken by another program" in err
    assert not (tmp_path / "s" / "server.json").exists()


def test_a_damaged_database_is_one_sentence_and_exit_15(tmp_path: Path) -> None:
    store = tmp_path / "s"
    store.mkdir()
    (store / "panaversity_fs.db").write_bytes(b"this is no database" * 500)
    status, _, err = run("serve", "--store", str(store), "--port", "0")
    assert status == 15
    assert len(err.strip().splitlines()) == 1
    assert (store / "panaversity_fs.db").read_bytes().startswith(b"this is no database")  # F16


def test_a_store_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    status, _, err = run("serve", "--store", str(tmp_path / "file" / "s"), "--port", "0")
    assert status == 15
    assert "cannot be used" in err


def test_version_usage_and_help() -> None:
    assert run("--version") == (0, "panaversity-fs 0.1.0\n", "")
    assert run("serve", "--nonsense")[0] == 2
    assert run("serve", "--until-unused")[0] == 2
    assert "Exit status" in run("--help")[1]


def test_stdio_speaks_the_protocol_only(tmp_path: Path) -> None:
    frames = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "stdio-test", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "create_book", "arguments": {"book_id": "bk"}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": "create_book", "arguments": {"book_id": "bk"}}},
    ]  # fmt: skip
    process = subprocess.Popen(
        serve_command(*stack.flags(tmp_path / "s"), "--stdio"), text=True,
        env={**clean_environment(), **stack.environment(tmp_path / "s")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    answers = []
    with process:
        for frame in frames:
            process.stdin.write(json.dumps(frame) + "\n")
            process.stdin.flush()
            if "id" in frame:
                answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
        assert [line for line in said if "ignores If-None-Match" not in line] == [], "but what one object store is like"
    assert [a["id"] for a in answers] == [1, 2, 3]
    assert answers[1]["result"]["structuredContent"]["book_id"] == "bk"
    assert answers[2]["result"]["_meta"]["error_code"] == "CONFLICT"


def test_a_server_is_stopped_by_an_interrupt_too(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "store") as server:
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == 0
