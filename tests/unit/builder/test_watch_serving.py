"""The site's own server beside a watch: its port, its command line, what it prints, how it ends. Node is a script."""

import os
import signal
import socket
import time

import pytest

from panaversity_builder.book.process_group import end_group
from panaversity_builder.book.site import Site
from panaversity_builder.book.watching.serving import FIRST_PORT, Service, SiteServer, free_port, start_command
from panaversity_fs.core.errors import ConfigInvalid, PhaseFailed
from support.fake_site import FakeSite

TALKS = """
import os, sys, time
print("args", *sys.argv[1:])
print("\\x1b[32m[SUCCESS]\\x1b[0m colour", os.environ.get("NO_COLOR"), os.environ.get("FORCE_COLOR"), flush=True)
if os.path.exists("die"):
    print("[ERROR] Unable to start", file=sys.stderr)
    sys.exit(3)
if os.path.exists("stubborn"):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not os.fork():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    open(f"pid-{os.getpid()}", "w").close()
time.sleep(60)
"""


@pytest.fixture
def site(tmp_path):
    fake = FakeSite(tmp_path)
    fake.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", TALKS)
    fake.put("site/book/a.md", "# A")
    return fake


def service(site, **more):
    environ = {**site.environ, "FORCE_COLOR": "1"}
    return Service(Site(str(site.folder), str(site.docs), environ), str(site.place / "logs" / "start.log"), **more)


def heard(server, said, word):
    deadline = time.monotonic() + 10
    while not any(word in line for line in said):
        assert time.monotonic() < deadline, said
        server.look()
        time.sleep(0.01)


@pytest.fixture
def taken():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        yield busy.getsockname()[1]


def test_a_port_that_was_asked_for_and_is_taken_is_refused(taken):
    with pytest.raises(ConfigInvalid, match=rf"watch: port {taken}: is taken\. Name another with --port"):
        free_port(taken)


def test_without_a_wish_the_next_free_port_is_found():
    first = free_port(None)
    assert first >= FIRST_PORT
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", first))
        busy.listen()
        assert free_port(None) > first


def test_port_0_is_any_free_one():
    assert free_port(0) > 0


def test_the_command_line_names_host_and_port_and_opens_a_browser_only_when_asked(site):
    node, entry, *words = start_command(service(site), 3005)
    assert os.path.basename(node) == "node"
    assert entry.endswith("docusaurus.mjs")
    assert words == ["start", "--host", "localhost", "--port", "3005", "--no-open"]
    assert start_command(service(site, browser=True, poll=True), 1)[-3:] == ["--port", "1", "--poll"]


def test_a_folder_that_is_no_site_is_refused_before_anything_starts(site):
    (site.folder / "docusaurus.config.js").unlink()
    with pytest.raises(ConfigInvalid, match=r"holds no docusaurus.config file"):
        SiteServer(service(site), print)


def test_nothing_is_started_before_there_are_docs(site):
    (site.docs / "a.md").unlink()
    (site.docs / ".panaversity").mkdir()
    with SiteServer(service(site, port=0), print) as server:
        server.after_round()
        server.look()
        assert not os.path.exists(site.place / "logs" / "start.log")


def test_what_it_prints_is_passed_on_clean_and_kept_in_a_log(site):
    said = []
    with SiteServer(service(site, port=0), said.append) as server:
        server.after_round()
        server.after_round()
        heard(server, said, "colour")
        assert server.address.startswith("http://localhost:")
    assert said[0].startswith("docusaurus start: serving http://localhost:")
    assert said[1].startswith("docusaurus | args start --host localhost --port ")
    assert said[2] == "docusaurus | [SUCCESS] colour 1 None"
    assert len(said) == 3


def test_a_log_that_somebody_deleted_is_no_news(site):
    said = []
    with SiteServer(service(site, port=0), said.append) as server:
        server.after_round()
        os.unlink(site.place / "logs" / "start.log")
        server.look()
    assert len(said) == 1


def test_one_that_ends_is_a_failed_phase_with_the_end_of_its_log(site):
    site.put("site/die", "")
    said = []
    with SiteServer(service(site, port=0), said.append) as server:
        server.after_round()
        with pytest.raises(PhaseFailed, match=r"watch: docusaurus start: ended with status 3") as failure:
            heard(server, said, "never said")
    assert failure.value.exit_status == 14
    assert failure.value.details["log_tail"] == ["[ERROR] Unable to start"]
    assert "docusaurus | [ERROR] Unable to start" in said


def alive(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False


def test_a_group_that_does_not_want_to_end_is_killed_with_its_children(site):
    site.put("site/stubborn", "")
    said = []
    server = SiteServer(service(site, port=0), said.append)
    server.after_round()
    heard(server, said, "colour")
    deadline = time.monotonic() + 10
    while len(pids := [int(p.name[4:]) for p in site.folder.glob("pid-*")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert all(map(alive, pids))
    end_group(server._process, grace_seconds=0.1)
    while any(map(alive, pids)):  # a killed process takes its time to go
        assert time.monotonic() < deadline + 10
        time.sleep(0.01)


def test_a_second_interrupt_while_it_ends_kills_at_once(site):
    class Stubborn:
        """A process that outlives SIGTERM; the user loses patience while we wait."""

        pid = None

        def poll(self):
            raise KeyboardInterrupt

    child = os.fork()
    if not child:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
        os._exit(0)
    process = Stubborn()
    process.pid = child
    while os.getpgid(child) != child:
        time.sleep(0.001)
    with pytest.raises(KeyboardInterrupt):
        end_group(process)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
