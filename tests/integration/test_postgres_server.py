"""The server's command over PostgreSQL: wrong settings end it before it listens, and a role that cannot rewrite what
was logged is enough to serve (FR-006, S16, P14).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from panaversity_fs.core.digest import digest_of
from panaversity_fs.store.roles import ROLE
from panaversity_fs.store.tables import metadata
from support import postgres
from support.live import LiveServer, clean_environment

SECRET = "pa55-word"


def run(url: str, folder: Path, *arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    """One command over this database; ``code`` runs first, in its process."""
    start = f"{code}\nimport sys\nfrom panaversity_fs.cli import main\nmain()"
    settings = {"DATABASE_URL": url, "PANAVERSITY_STORAGE_ROOT": str(folder / "blobs")}
    command = [sys.executable, "-c", start, *arguments]
    return subprocess.run(command, env={**clean_environment(), **settings}, capture_output=True, text=True, timeout=60)


def place(url: str, *, user: str = "postgres", database: str | None = None) -> str:
    parts = urlsplit(url)
    name = parts.path[1:] if database is None else database
    return f"postgresql+asyncpg://{user}:{SECRET}@{parts.netloc.rpartition('@')[2]}/{name}?{parts.query}"


@pytest.fixture(scope="module")
def url() -> str:
    return postgres.new_database()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda url: place(url, database="nowhere"), "PostgreSQL has no database of this name. Correct DATABASE_URL."),
        (lambda url: place(url, user="nobody-known"), "PostgreSQL refuses this user. Correct DATABASE_URL."),
        (lambda url: f"postgresql+asyncpg://ann:{SECRET}@127.0.0.1:1/b", "127.0.0.1:1/b: cannot be reached"),
        (lambda url: f"postgresql+asyncpg://ann:{SECRET}@no-such-host.invalid/b", "invalid/b: host is not known"),
        (lambda url: f"postgresql+asyncpg://ann:{SECRET}@/b?host=/no/such/folder", "/b: socket or file is not there"),
        (lambda url: place(url) + "&sslmode=maybe", "DATABASE_URL: has an ssl that is none of disable"),
    ],
    ids=["database", "user", "port", "host", "socket", "parameter"],
)
def test_P14_a_database_that_cannot_be_used_ends_the_server_with_15_before_it_listens(
    url: str, tmp_path: Path, wrong: "object", words: str
) -> None:
    done = run(wrong(url), tmp_path, "serve", "--port", "0")  # type: ignore[operator]
    assert done.returncode == 15, done.stderr
    assert words in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert "listening" not in done.stderr
    assert "Traceback" not in done.stderr


def test_P14_a_wrong_password_ends_the_server_with_15_before_it_listens(tmp_path: Path) -> None:
    right = postgres.locked_database("keeper", SECRET)
    assert run(right, tmp_path, "migrate").returncode == 0
    for wrong in (right.replace(SECRET, "passw0rd"), right.replace(f":{SECRET}", "")):
        done = run(wrong, tmp_path, "serve", "--port", "0")
        assert done.returncode == 15, done.stderr
        assert done.stderr.strip().endswith(": PostgreSQL refuses the password. Correct DATABASE_URL.")
        assert len(done.stderr.splitlines()) == 1
        assert "passw0rd" not in done.stderr + done.stdout


def test_a_driver_that_is_not_installed_is_named_with_its_extra(url: str, tmp_path: Path) -> None:
    done = run(url, tmp_path, "migrate", code="import sys; sys.modules['asyncpg'] = None")
    assert done.returncode == 15
    assert done.stderr.strip() == (
        "panaversity-fs: start: DATABASE_URL: names PostgreSQL, whose driver is not installed. "
        "Install panaversity-fs[postgres]."
    )


def test_P1_a_server_that_does_not_wait_for_its_disk_is_refused(tmp_path: Path) -> None:
    lazy = postgres.new_database()
    name = urlsplit(lazy).path[1:]
    postgres.admin().run(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    done = run(lazy, tmp_path, "migrate")
    assert done.returncode == 15
    assert "runs with synchronous_commit off, so that a crash takes what was acknowledged. Turn it on." in done.stderr


def test_F16_an_empty_database_over_a_store_with_bytes_is_a_lost_one(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / "books" / "a-book" / "1" / "blobs" / "ab"
    blob.mkdir(parents=True)
    (blob / digest_of(b"x")).write_bytes(b"x")
    done = run(postgres.new_database(empty=True), tmp_path, "migrate")
    assert done.returncode == 15
    assert "is empty, but the blob store holds the bytes of books" in done.stderr


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(owner's address, address of the role for servers) of a store whose role was made as the command prints it."""
    owner = postgres.new_database()
    printed = run(owner, tmp_path, "migrate", "--print-roles")
    assert printed.returncode == 0
    name = urlsplit(owner).path[1:]
    statements = [part for part in split(printed.stdout) if part]
    postgres.admin().run(*statements, database=name)
    yield owner, owner.replace("postgres@", f"{ROLE}@", 1)
    postgres.admin().run(f"DROP OWNED BY {ROLE}", database=name)


def split(script: str) -> list[str]:
    """The statements of a script whose only block is a DO."""
    lines = [line.partition("-- ")[0] for line in script.splitlines() if not line.startswith("--")]
    head, block, tail = "\n".join(lines).partition("END $$;")
    return [head + block, *(part.strip() for part in tail.split(";"))]


def test_S16_the_role_for_servers_serves_and_can_neither_change_nor_prune_what_was_logged(
    limited: tuple[str, str], tmp_path: Path
) -> None:
    _, role = limited
    settings = {"DATABASE_URL": role, "PANAVERSITY_STORAGE_ROOT": str(tmp_path / "blobs")}
    with LiveServer(tmp_path / "store", environment=settings, by_log=True) as live:
        path = "content/01-Part/01-Chapter/01-a.md"
        made = live.call("write_content", book_id="bk", path=path, content="one")
        assert not made.is_error, made.error
        hash_ = made.structured["file_hash"]
        assert not live.call("write_content", book_id="bk", path=path, content="two", expected_hash=hash_).is_error
        assert live.call("write_content", book_id="bk", path=path, content="x", expected_hash=hash_).code == "CONFLICT"
        assert not live.call("delete_content", book_id="bk", path=path).is_error
        assert live.call("plan_build", book_id="bk").structured["total_files"] == 0
        assert live.call("verify_audit", book_id="bk").structured["valid"]
        assert live.stop() == 0
    assert run(role, tmp_path, "fsck", "--structure").returncode == 0
    assert run(role, tmp_path, "gc", "--yes").returncode == 0
    for statement in ("UPDATE audit_log SET agent_id = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log",
                      "DELETE FROM audit_holes", "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                      "INSERT INTO audit_holes SELECT book_id, incarnation, seq, entry_hash FROM audit_log",
                      "SELECT prune_audit_log('bk', 1, 9)"):  # fmt: skip
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            postgres.Admin(role).run(statement, database=urlsplit(role).path[1:])


def test_S16_the_owner_is_stopped_by_triggers_and_prunes_through_its_function(tmp_path: Path) -> None:
    owner = postgres.new_database()
    name = urlsplit(owner).path[1:]
    row = "'bk', 1, {0}, '{0}', 1, '2020-01-01', 'me', 'write_content', 'p', '__base__', NULL, NULL, 'success', NULL, 0"
    digest = "ab" * 32
    run_here = postgres.admin().run
    for number in (1, 2):
        run_here(f"INSERT INTO audit_log VALUES ({row.format(number)}, '{digest}')", database=name)
    run_here(f"INSERT INTO audit_holes VALUES ('bk', 1, 1, '{digest}'), ('bk', 1, 2, '{'cd' * 32}')", database=name)
    forged = "SELECT set_config('panaversity_fs.pruning', txid_current()::text, false)"
    for statements in (["UPDATE audit_log SET path = ''"], ["DELETE FROM audit_log"], ["TRUNCATE audit_log"],
                       ["DELETE FROM audit_holes"], ["UPDATE audit_holes SET seq = 9"], ["TRUNCATE audit_holes"],
                       [forged, "DELETE FROM audit_log"], ["SELECT prune_audit_log('bk', 1, 2)"]):  # fmt: skip
        with pytest.raises(Exception, match="never changed"):
            run_here(*statements, database=name)
    assert run_here("SELECT prune_audit_log('bk', 1, 1)", database=name)[0][0] == 1
    assert [row[0] for row in run_here("SELECT seq FROM audit_log", database=name)] == [2]


def test_the_printed_role_knows_every_table(tmp_path: Path) -> None:
    printed = run("sqlite+aiosqlite:///x", tmp_path, "migrate", "--print-roles").stdout
    granted = printed[printed.index("GRANT SELECT ON alembic") :]
    assert all(name in granted for name in metadata.tables)
