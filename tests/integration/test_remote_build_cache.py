"""``panaversity build`` by two machines of one team over a real server: one builds, the other restores.

Docusaurus is the fake site's, so that a test counts how often it ran; everything else is real. Whatever is wrong with
the cache, the build ends well, with the right site, and one line says why it was built here.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from panaversity_builder.book.site_pack import pack_site
from panaversity_builder.book.trees import tree_digest
from panaversity_builder.cli import run
from panaversity_builder.client import NO_WAITS, Client, packs
from panaversity_builder.console import Console
from panaversity_fs.core.digest import digest_of
from support import stack, tokens
from support.command import Outcome, clean_environ, panaversity
from support.fake_site import DOCUSAURUS, FakeSite
from support.live import LiveServer
from support.odd_cache import OddCache
from support.stores import Medium
from support.tokens import token

LESSONS = {f"Part-01/Chapter-01/0{n}-lesson.md": f"# Lesson {n}\n" for n in range(1, 4)}
LARGE = 'open("build/big.bin", "wb").write(os.urandom(20_000_000))\n'
CHANCE = 'open("build/chance.txt", "w").write(__import__("uuid").uuid4().hex)\n'
"""A last line of the fake Docusaurus that makes no build equal another."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("team") / "store") as server:
        yield server


class Machine:
    """One member of the team: a checkout of the site and its source, an agent's name, a server."""

    def __init__(self, place: Path, url: str, book: str, **environ: str) -> None:
        place.mkdir()
        (place / ".git").mkdir()
        self.place, self.site = place, FakeSite(place)
        for path, text in LESSONS.items():
            self.site.put(f"site/docs/{path}", text)
        self.site.put("site/book.toml", f'book_id = "{book}"\n')
        self.environ = clean_environ(
            **self.site.environ, PANAVERSITY_MCP_URL=url, PANAVERSITY_AGENT_ID=place.name, **environ
        )

    def build(self, *words: str, cache_at: str | None = None) -> Outcome:
        """The command in this process; ``cache_at`` is another address for the cache, which waits half a second."""
        console = Console(io.StringIO(), io.StringIO(), self.environ)
        with (
            contextlib.nullcontext() if cache_at is None else cache_from(cache_at),
            patch.dict(os.environ, self.environ, clear=True),
            contextlib.chdir(self.place),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            status = run(["build", "--site-dir", "site", *words], console)
        outcome = Outcome(status, printed.getvalue() + console._out.getvalue(), console._err.getvalue())
        assert status == 0, outcome
        return outcome

    def build_apart(self, *words: str) -> Outcome:
        """The command as a process of its own."""
        outcome = panaversity("build", "--site-dir", "site", *words, cwd=self.place, environ=self.environ)
        assert outcome.status == 0, outcome
        return outcome

    def lose_copies(self) -> None:
        """The built folder and everything this machine remembers of builds."""
        shutil.rmtree(self.site.folder / "build", ignore_errors=True)
        shutil.rmtree(self.place / ".panaversity" / "build", ignore_errors=True)


@contextlib.contextmanager
def cache_from(url: str) -> Iterator[None]:
    """Builds find their cache at this address instead of the book's server."""
    with (
        Client(url, "tests", waits=NO_WAITS) as client,
        patch("panaversity_builder.cli.doors.site_cache", lambda *_: client.site_cache(0.5)),
    ):
        yield


@pytest.fixture
def team(tmp_path: Path, server: LiveServer, request: pytest.FixtureRequest) -> tuple[Machine, Machine]:
    """Alice and Bob, with a book of their own."""
    book = f"book-{zlib.crc32(request.node.name.encode()):08x}"
    return Machine(tmp_path / "alice", server.url, book), Machine(tmp_path / "bob", server.url, book)


def book_of(machine: Machine) -> str:
    return (machine.place / "site/book.toml").read_text().split('"')[1]


def tamper(server: LiveServer, machine: Machine, column: str, value: str | int) -> None:
    assert kept(server, machine) == 1
    shown = repr(value) if isinstance(value, int) else f"'{value}'"
    stack.tamper(server.store, f"UPDATE site_cache SET {column} = {shown} WHERE book_id = '{book_of(machine)}'")


def kept(server: LiveServer, machine: Machine) -> int:
    ((count,),) = stack.rows(server.store, f"SELECT count(*) FROM site_cache WHERE book_id = '{book_of(machine)}'")
    return int(count)


def object_of(server: LiveServer, machine: Machine) -> tuple[Medium, str]:
    """The bytes behind the server's back, and under which name this machine's site lies among them."""
    medium = stack.served_blobs(server.store)
    (name,) = (name for name in medium.site_names() if name.startswith(f"books/{book_of(machine)}/"))
    return medium, name


def test_what_one_machine_built_another_restores_without_running_docusaurus(team: tuple[Machine, Machine]) -> None:
    alice, bob = team
    assert "the site is kept on the server for the team" in alice.build_apart("-v").err
    outcome = bob.build_apart("--format", "json")
    last = json.loads(outcome.out)["phases"][-1]
    assert (alice.site.runs, bob.site.runs) == (1, 0)
    assert bob.site.built() == alice.site.built()
    assert last["state"] == "cached"
    assert last["reason"].startswith("restored from the server (built by alice, 20")
    assert last["seconds_saved"] > 0
    again = bob.build("-v")
    assert "docusaurus: cached, unchanged" in again.err
    assert "remote cache" not in again.err, "what is here is not asked for"


def test_an_edit_is_built_once_for_all_and_going_back_needs_nobody(team: tuple[Machine, Machine]) -> None:
    alice, bob = team
    alice.build()
    bob.build()
    for machine in team:
        machine.site.put("site/docs/Part-01/Chapter-01/01-lesson.md", "# Edited\n")
        machine.build()
    assert (alice.site.runs, bob.site.runs) == (1 + 1, 0)
    assert bob.site.built() == alice.site.built()
    bob.site.put("site/docs/Part-01/Chapter-01/01-lesson.md", LESSONS["Part-01/Chapter-01/01-lesson.md"])
    assert "restored: the same inputs were built before" in bob.build().out
    assert bob.site.runs == 0


def test_copies_that_were_lost_come_back_from_the_server(team: tuple[Machine, Machine]) -> None:
    alice, _ = team
    alice.build()
    built = alice.site.built()
    alice.lose_copies()
    assert "restored from the server (built by alice" in alice.build().out
    shutil.rmtree(alice.site.folder / "build")
    (copy,) = (alice.place / ".panaversity" / "build").glob("*/kept/*")
    (copy / "index.html").write_text("damaged")
    assert "restored from the server (built by alice" in alice.build().out
    assert (alice.site.runs, alice.site.built()) == (1, built)


def test_without_the_remote_cache_nobody_is_asked_and_nothing_given(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    alice.build("--no-remote-cache")
    assert kept(server, alice) == 0
    alice.lose_copies()
    alice.build()
    bob.environ["PANAVERSITY_REMOTE_CACHE"] = "false"
    bob.build()
    assert bob.site.runs == 1
    bob.lose_copies()
    bob.build("--remote-cache")
    assert bob.site.runs == 1


def test_another_lockfile_configuration_or_node_is_another_key(team: tuple[Machine, Machine]) -> None:
    alice, bob = team
    alice.build()
    for number, change in enumerate(
        [
            lambda: bob.site.put("package-lock.json", '{"x": 1}'),
            lambda: bob.site.put("site/docusaurus.config.js", "export default {x: 1}"),
            lambda: bob.environ.update(FAKE_NODE_VERSION="v22.0.0"),
        ],
        1,
    ):
        change()
        bob.build()
        assert bob.site.runs == number


def test_S32_a_flipped_byte_on_the_server_is_built_instead_and_said_in_one_line(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    alice.build()
    medium, name = object_of(server, alice)
    data = medium.site_bytes(name)
    medium.damage_site(name, data[:100] + bytes([data[100] ^ 1]) + data[101:])
    outcome = bob.build()
    (line,) = (line for line in outcome.err.splitlines() if "remote cache" in line)
    assert "the site is built here" in line
    assert (bob.site.runs, bob.site.built()) == (1, alice.site.built())
    assert kept(server, alice) == 0, "the server forgot it"
    alice.lose_copies()
    alice.build()
    assert kept(server, alice) == 1, "and the next one was kept"


@pytest.mark.parametrize(
    ("column", "value"), [("document", '{"lifecycle": "book"}'), ("output", digest_of(b"another site"))]
)
def test_S32_a_site_of_another_key_document_or_output_is_built_instead(
    team: tuple[Machine, Machine], server: LiveServer, column: str, value: str
) -> None:
    alice, bob = team
    alice.build()
    tamper(server, alice, column, value)
    outcome = bob.build()
    assert (bob.site.runs, bob.site.built()) == (1, alice.site.built())
    assert outcome.err.count("remote cache") == 1


def test_S27_a_builder_with_control_characters_is_shown_harmless(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    alice.build()
    tamper(server, alice, "agent_id", "evil\x1b[31m\nbuild: all is well")
    outcome = bob.build()
    assert "restored from the server (built by evil" in outcome.out
    assert "\x1b" not in outcome.err + outcome.out
    assert len(outcome.out.splitlines()) == 1


def test_S32_a_site_that_unpacks_to_something_else_is_built_instead(
    team: tuple[Machine, Machine], server: LiveServer, tmp_path: Path
) -> None:
    """A consistent lie: other bytes, their own digest, rows to match; only the folder's digest shows it."""
    alice, bob = team
    alice.build()
    evil = tmp_path / "evil"
    shutil.copytree(alice.site.folder / "build", evil)
    (evil / "index.html").write_text("<script>evil</script>")
    data = b"".join(packs.zstd(pack_site(str(evil), tree_digest(str(evil)))))
    medium, name = object_of(server, alice)
    place, generation = name.partition("/blobs/")[0], name.rpartition(".")[2]
    medium.damage_site(f"{place}/blobs/{digest_of(data)[:2]}/{digest_of(data)}.{generation}", data)
    tamper(server, alice, "size", len(data))
    tamper(server, alice, "sha256", digest_of(data))
    outcome = bob.build()
    assert "its list of files has another digest; the site is built here" in outcome.err
    assert (bob.site.runs, bob.site.built()) == (1, alice.site.built())


def test_an_authors_own_file_in_the_docs_folder_keeps_the_site_at_home(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    bob.build("--until", "hydrate")
    bob.site.put("site/book/private-notes.md", "mine")
    outcome = bob.build("-v")
    assert "the docs folder differs from the book (private-notes.md)" in outcome.err
    assert (bob.site.runs, kept(server, bob)) == (1, 0)
    alice.build()
    assert (alice.site.runs, kept(server, alice)) == (1, 1)
    (bob.place / "site/book/private-notes.md").unlink()
    assert "restored from the server (built by alice" in bob.build().out


def test_a_built_folder_with_a_link_is_not_offered(team: tuple[Machine, Machine], server: LiveServer) -> None:
    alice, _ = team
    alice.site.put(
        "node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + 'os.symlink("/etc/passwd", "build/link")\n'
    )
    assert "it holds a symbolic link (link)" in alice.build("-v").err
    assert kept(server, alice) == 0


def test_sources_that_change_while_the_site_is_built_are_not_offered(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, _ = team
    alice.site.put("site/src/page.js", "one")
    alice.site.put(
        "node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + 'open("src/page.js", "w").write("two")\n'
    )
    alice.build()
    assert kept(server, alice) == 0


def test_builds_that_are_not_reproducible_the_first_one_stands(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    for machine in team:
        machine.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + CHANCE)
    alice.build()
    first = alice.site.built()
    bob.build()
    assert bob.site.built() == first
    bob.build("--rebuild", "docusaurus")
    assert bob.site.built() != first
    assert bob.site.runs == 1
    alice.lose_copies()
    alice.build()
    assert alice.site.built() == first
    assert kept(server, alice) == 1


@pytest.mark.full
def test_two_machines_that_build_at_once_both_end_well(team: tuple[Machine, Machine], server: LiveServer) -> None:
    for machine in team:
        machine.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + CHANCE)
        machine.build("--until", "hydrate")
    threads = [threading.Thread(target=machine.build_apart) for machine in team]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept(server, team[0]) == 1
    team[0].lose_copies()
    assert "restored from the server" in team[0].build().out


@pytest.mark.full
def test_the_embedded_server_is_not_asked(tmp_path: Path) -> None:
    """Its one project keeps copies of its own."""
    alone = Machine(tmp_path / "alone", "", "alone")
    del alone.environ["PANAVERSITY_MCP_URL"]
    assert "remote cache" not in alone.build("-v").err
    assert not (alone.place / ".panaversity" / "store" / "site-cache").exists()


def test_a_token_that_may_only_read_restores_and_never_writes(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    with LiveServer(tmp_path / "store", environment=tokens.environment(keys)) as server:

        def machine(name: str, scopes: str) -> Machine:
            signed = token(scope=scopes, sub=name)
            return Machine(tmp_path / name, server.url, "guide", PANAVERSITY_TOKEN=signed)

        def lines(outcome: Outcome) -> list[str]:
            return [line for line in outcome.err.splitlines() if line.startswith("remote cache")]

        reader = machine("reader", "book:guide:read")
        writer = machine("writer", "book:guide:write")
        cacher = machine("cacher", "book:guide:write book:guide:site-cache")
        refused = writer.build("-v")
        (line,) = lines(refused)
        assert "insufficient scope (required: book:guide:site-cache)" in line
        assert lines(writer.build()) == []
        assert kept(server, writer) == 0
        quiet = machine("quiet", "book:guide:write").build()
        assert quiet.err.count("remote cache") == 0, "a token that may not is no news"
        cacher.build()
        assert kept(server, cacher) == 1
        assert "restored from the server (built by cacher" in reader.build().out
        assert reader.site.runs == 0
        reader.site.put("site/docusaurus.config.js", "export default {x: 1}")
        assert len(lines(reader.build("-v"))) == 1
        assert kept(server, reader) == 1


def test_a_quota_lets_the_least_recently_used_site_go(tmp_path: Path) -> None:
    big = DOCUSAURUS + 'open("build/big.bin", "wb").write(os.urandom(200_000))\n'
    with LiveServer(tmp_path / "store", environment={"PANAVERSITY_SITE_CACHE_BYTES": "500000"}) as server:
        alice = Machine(tmp_path / "alice", server.url, "guide")
        alice.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", big)
        for number in range(4):
            alice.site.put("site/docusaurus.config.js", f"export default {{x: {number}}}")
            alice.build()
        assert kept(server, alice) == 2
        medium = stack.served_blobs(server.store)
        assert sum(len(medium.site_bytes(name)) for name in medium.site_names()) <= 500_000
        alice.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", big.replace("200_000", "600_000"))
        alice.site.put("site/docusaurus.config.js", "export default {x: 9}")
        assert "more than the 500000 that are kept" in alice.build("-v").err
        assert kept(server, alice) == 2


@pytest.mark.parametrize("spoil", ["silent", "cut", "drip", "deaf", "gone"])
def test_a_cache_that_is_slow_breaks_off_or_is_gone_costs_little_and_the_site_is_built(
    tmp_path: Path, server: LiveServer, spoil: str
) -> None:
    with OddCache().serving() as odd:
        alice = Machine(tmp_path / "alice", server.url, f"odd-{spoil}")
        alice.build(cache_at=odd.url)
        assert odd.seen == ["GET", "PUT"]
        odd.spoil, odd.at = spoil, 1500
        bob = Machine(tmp_path / "bob", server.url, f"odd-{spoil}")
        if spoil == "deaf":  # nothing is there to restore, and what is offered is too much for a socket to swallow
            odd.kept.clear()
            bob.site.put("node_modules/@docusaurus/core/bin/docusaurus.mjs", DOCUSAURUS + LARGE)
        outcome = bob.build(cache_at="http://127.0.0.1:9" if spoil == "gone" else odd.url)
        assert (bob.site.runs, (bob.site.folder / "build/index.html").is_file()) == (1, True)
        (line,) = (line for line in outcome.err.splitlines() if "remote cache" in line)
        assert ("is not kept there" if spoil == "deaf" else "is built here") in line


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads peak memory from /proc")
@pytest.mark.full
def test_P13_a_large_site_is_packed_sent_and_restored_in_little_memory(
    team: tuple[Machine, Machine], server: LiveServer
) -> None:
    alice, bob = team
    for machine in team:
        machine.site.put(
            "node_modules/@docusaurus/core/bin/docusaurus.mjs",
            DOCUSAURUS + 'for n in range(40): open(f"build/{n}.bin", "wb").write(os.urandom(5_000_000))\n',
        )
    measure = (  # not ``ru_maxrss``: a child begins with its parent's
        "import re, sys\nfrom panaversity_builder.cli import run\n"
        "from panaversity_builder.console import Console\n"
        "status = run(sys.argv[1:], Console(sys.stdout, sys.stderr, {}))\n"
        "peak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]\n"
        "print('peak', peak, file=sys.stderr)\nsys.exit(status)\n"
    )
    for machine in team:
        done = subprocess.run(
            [sys.executable, "-c", measure, "build", "--site-dir", "site"], cwd=machine.place, env=machine.environ,
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        peak = int(done.stderr.rsplit("peak ", 1)[1]) * 1024
        assert peak < 160_000_000, done.stderr
    assert (alice.site.runs, bob.site.runs) == (1, 0)
