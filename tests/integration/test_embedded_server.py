"""The embedded server for real: one per project however many commands want it, and nothing of the environment in it."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from panaversity_builder.client import NO_WAITS, Client
from panaversity_builder.embedded import embedded_server

NOTE = Path(".panaversity", "store", "server.json")


def wait_until_gone(note: Path, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while note.exists():
        assert time.monotonic() < deadline, "the server did not leave"
        time.sleep(0.02)


def test_a_book_outlives_its_server_and_a_stray_database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://nobody:secret@127.0.0.1:9/none")
    monkeypatch.setenv("PANAVERSITY_STORAGE_ROOT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PANAVERSITY_SERVER_PORT", "9")
    monkeypatch.setenv("PANAVERSITYFS_READ_ONLY", "true")
    with embedded_server(str(tmp_path)) as url, Client(url, "author", waits=NO_WAITS) as client:
        client.call("create_book", {"book_id": "my-book"})
    wait_until_gone(tmp_path / NOTE)
    with embedded_server(str(tmp_path)) as url, Client(url, "author", waits=NO_WAITS) as client:
        assert not client.plan_build("my-book").warns("BOOK_UNKNOWN")
        with embedded_server(str(tmp_path)) as again:
            assert again == url
    wait_until_gone(tmp_path / NOTE)
    assert not (tmp_path / "elsewhere").exists()


def test_F39_commands_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from panaversity_builder.embedded import embedded_server\n"
        "with embedded_server(sys.argv[1]) as url:\n"
        "    print(url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    urls: list[str] = []
    readers = [threading.Thread(target=lambda c=c: urls.append(c.stdout.readline())) for c in commands]  # type: ignore[misc]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    for command in commands:
        command.communicate()
    assert [command.returncode for command in commands] == [0, 0, 0]
    assert len(urls) == 3
    assert len(set(urls)) == 1
    wait_until_gone(tmp_path / NOTE)


def test_a_command_that_comes_while_the_server_leaves_gets_a_new_one(tmp_path: Path) -> None:
    for _ in range(3):
        with embedded_server(str(tmp_path)) as url, Client(url, "author", waits=NO_WAITS) as client:
            client.plan_build("my-book")
        time.sleep(0.1)
    wait_until_gone(tmp_path / NOTE)
