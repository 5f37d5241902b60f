"""Client and ingest against a real server process: the same promises as against the simulator, over real sockets."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from panaversity_builder.book.ingest import IngestOptions, IngestResult, ingest
from panaversity_builder.client import LARGE, NO_WAITS, Client, PlanQuestion
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import (
    Conflict,
    HashMismatch,
    InvalidArgument,
    NotFound,
    PanaversityError,
    SchemaViolation,
    SourceRefused,
)
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering, decode
from panaversity_fs.core.schema import Schema
from support.live import LiveServer

FILES = {
    "README.md": b"# Book\r\n",
    "Part-01/_category_.json": b"{}",
    "Part-01/Chapter-01/01-a.md": b"one",
    "Part-01/Chapter-01/02-b.md": b"two  \n",
    "Part-01/Chapter-01/img/d.png": b"\x89PNG\r\n",
    "Part-01/beside.png": b"\x89PNG\r\n",
    "Part-02/Chapter-01/01-a.md": b"",
}
LESSON = "Part-01/Chapter-01/01-a.md"
LESSON_PATH = "content/01-Part/01-Chapter/01-a.md"
_numbers = count()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live") / "store") as server:
        yield server


@pytest.fixture
def server(live: LiveServer) -> Iterator[Client]:
    with Client(live.url, "author", waits=NO_WAITS) as client:
        yield client


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


class Desk:
    """An author with a folder, a real server and a book of their own."""

    def __init__(self, folder: Path, server: Client) -> None:
        self.server = server
        self.docs = folder / "docs"
        self.options = IngestOptions(f"book-{next(_numbers)}", str(self.docs), str(folder / "state"))
        write_tree(self.docs, FILES)

    @property
    def book_id(self) -> str:
        return self.options.book_id

    def ingest(self, **wishes: Any) -> IngestResult:
        return ingest(self.server, replace(self.options, **wishes))

    def requests(self, **wishes: Any) -> int:
        before = self.server.traffic.requests
        self.ingest(**wishes)
        return self.server.traffic.requests - before

    def agent_writes(self, path: str, text: str) -> None:
        arguments: dict[str, object] = {"book_id": self.book_id, "path": path, "content": text}
        held = parse(self.manifest()).get(path)
        self.server.call("write_content", arguments | ({"expected_hash": held} if held else {}))

    def manifest(self) -> bytes:
        plan = self.server.plan_build(self.book_id)
        return self.server.manifest_text(self.book_id, plan.manifest_hash)

    @property
    def book(self) -> dict[str, bytes]:
        """Source path → bytes, fetched as a hydrate would."""
        plan = self.server.plan_build(self.book_id)
        entries = {file.path: file.current for file in plan.files if file.current}
        digests = sorted(set(entries.values()))
        blobs: dict[Digest, bytes] = {}
        for digest, size, chunks in self.server.fetch_pack(self.book_id, plan.manifest_hash, digests):
            blobs[digest] = b"".join(chunks)
            assert digest_of(blobs[digest]) == digest
            assert len(blobs[digest]) == size
        return {str(decode(path, plan.numbering)): blobs[digest] for path, digest in entries.items()}


@pytest.fixture
def desk(tmp_path: Path, server: Client) -> Desk:
    return Desk(tmp_path, server)


def test_FR_201_D8_the_book_holds_exactly_the_bytes_of_the_source(desk: Desk) -> None:
    assert desk.ingest().count("added") == len(FILES)
    assert desk.book == FILES


def test_I2_requests_are_two_for_a_change_and_one_for_none(desk: Desk) -> None:
    assert desk.requests() == 2
    assert desk.requests() == 1
    write_tree(desk.docs, {LESSON: b"changed"})
    assert desk.requests() == 2
    assert desk.requests(state_dir=desk.options.state_dir + "-other") == 1


def test_FR_206_deletes_renames_and_case_only_renames_arrive(desk: Desk) -> None:
    desk.ingest()
    (desk.docs / LESSON).unlink()
    (desk.docs / "README.md").rename(desk.docs / "readme.md")
    result = desk.ingest()
    assert (result.count("added"), result.count("deleted")) == (1, 2)
    expected = {path: data for path, data in FILES.items() if path not in (LESSON, "README.md")}
    assert desk.book == {**expected, "readme.md": FILES["README.md"]}


def test_F31_an_agents_edit_is_left_alone_listed_and_survives(desk: Desk) -> None:
    desk.ingest()
    desk.agent_writes(LESSON_PATH, "agent")
    desk.agent_writes("content/01-Part/01-Chapter/09-new.md", "new by agent")
    write_tree(desk.docs, {"README.md": b"author"})
    result = desk.ingest()
    assert result.diverged_files == (LESSON_PATH,)
    assert result.kept_files == ("content/01-Part/01-Chapter/09-new.md",)
    assert desk.requests() == 1
    book = desk.book
    assert (book[LESSON], book["README.md"]) == (b"agent", b"author")


def test_FR_204_both_changed_is_a_conflict_and_nothing_is_written(desk: Desk) -> None:
    desk.ingest()
    desk.agent_writes(LESSON_PATH, "agent")
    write_tree(desk.docs, {LESSON: b"author", "README.md": b"author too"})
    before = desk.manifest()
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert [c["path"] for c in caught.value.details["conflicts"]] == [LESSON_PATH]
    assert desk.manifest() == before
    assert desk.ingest(overwrite=True).count("updated") == 2
    assert desk.book[LESSON] == b"author"


def _delete(desk: Desk) -> None:
    desk.server.call("delete_content", {"book_id": desk.book_id, "path": LESSON_PATH})


def _create(desk: Desk) -> None:
    desk.agent_writes("content/01-Part/01-Chapter/07-new.md", "theirs")


RACES: dict[str, Callable[[Desk], None]] = {
    LESSON_PATH: lambda desk: desk.agent_writes(LESSON_PATH, "theirs"),
    LESSON_PATH + " is gone": _delete,
    "content/01-Part/01-Chapter/07-new.md": _create,
}


@pytest.mark.parametrize("race", list(RACES))
def test_F30_who_loses_a_race_gets_a_conflict_listing_the_path(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, race: str
) -> None:
    desk.ingest()
    write_tree(desk.docs, {LESSON: b"mine", "Part-01/Chapter-01/07-new.md": b"mine too"})
    really = Client.send_changeset

    def another_first(client: Client, *arguments: Any) -> Any:
        RACES[race](desk)
        return really(client, *arguments)

    monkeypatch.setattr(Client, "send_changeset", another_first)
    with pytest.raises(Conflict) as caught:
        desk.ingest()
    assert caught.value.exit_status == 11
    assert [c["path"] for c in caught.value.details["conflicts"]] == [race.partition(" ")[0]]
    assert b"mine" not in desk.book.values()


def test_F30_many_ingests_at_once_end_as_one_of_them(desk: Desk, live: LiveServer, tmp_path: Path) -> None:
    desk.ingest()
    done: list[int] = []
    refused: list[PanaversityError] = []

    def author(number: int) -> None:
        docs = tmp_path / f"docs-{number}"
        write_tree(docs, {**FILES, LESSON: b"by %d" % number, "README.md": b"by %d" % number})
        options = replace(desk.options, source_dir=str(docs), state_dir=str(tmp_path / f"state-{number}"))
        with Client(live.url, f"author-{number}", waits=NO_WAITS) as client:
            try:
                ingest(client, options)
                done.append(number)
            except Conflict as fault:
                refused.append(fault)

    threads = [threading.Thread(target=author, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book = desk.book
    assert book[LESSON] == book["README.md"]
    assert book[LESSON] in {b"by %d" % number for number in done}
    assert len(done) + len(refused) == 6
    assert all(fault.exit_status == 11 for fault in refused)


def test_a_change_of_numbering_keeps_every_source_path(desk: Desk) -> None:
    desk.ingest()
    desk.agent_writes(LESSON_PATH, "agent")
    desk.agent_writes("content/01-Part/01-Chapter/09-new.md", "new by agent")
    before, revision = desk.book, desk.server.plan_build(desk.book_id).revision
    result = desk.ingest(numbering=Numbering.NUMBER_NAME)
    assert result.numbering is Numbering.NUMBER_NAME
    assert result.revision == revision + 1
    assert desk.book == before
    assert desk.requests() == 1
    desk.ingest(numbering=Numbering.NAME_NUMBER)
    assert desk.book == before


def test_FR_202_a_strict_book_is_widened_only_when_asked(desk: Desk) -> None:
    desk.server.call("create_book", {"book_id": desk.book_id, "schema": "strict"})
    with pytest.raises(SchemaViolation):
        desk.ingest()
    desk.ingest(schema=Schema.DOCUSAURUS)
    assert desk.book == FILES


def test_the_first_ingest_into_a_book_of_write_content_sets_its_numbering(desk: Desk) -> None:
    desk.agent_writes("content/01-Part/01-Chapter/01-a.md", "one")
    desk.ingest(schema=Schema.DOCUSAURUS)
    assert desk.book == FILES


def test_F47_D10_mass_deletion_is_refused(desk: Desk) -> None:
    write_tree(desk.docs, {f"Part-02/{n}.md": b"%d" % n for n in range(20)})
    desk.ingest()
    for n in range(11):
        (desk.docs / f"Part-02/{n}.md").unlink()
    before = desk.manifest()
    with pytest.raises(SourceRefused):
        desk.ingest()
    assert desk.manifest() == before
    assert desk.ingest(max_deletes="11").count("deleted") == 11


def test_a_large_file_travels_alone_and_is_read_back_from_any_offset(desk: Desk) -> None:
    film = random.Random(1).randbytes(LARGE + 12345)
    write_tree(desk.docs, {"Part-01/film.mp4": film})
    assert desk.requests() == 3
    manifest, digest = digest_of(desk.manifest()), digest_of(film)
    for start in (0, 1, LARGE, len(film) - 1):
        hashed = hashlib.sha256(film[:start])
        for chunk in desk.server.fetch_blob(desk.book_id, manifest, digest, start, len(film)):
            hashed.update(chunk)
        assert hashed.hexdigest() == digest
    (desk.docs / "Part-01/film.mp4").rename(desk.docs / "Part-01/again.mp4")
    before = desk.server.traffic.sent
    desk.ingest()
    assert desk.server.traffic.sent - before < 2_000


def test_F31_F46_authors_and_agents_in_a_loop_lose_nobodys_work(desk: Desk, live: LiveServer) -> None:
    desk.ingest()
    stop, written = threading.Event(), list[str]()
    own = "content/01-Part/01-Chapter/50-agents.md"

    def agent() -> None:
        with Client(live.url, "agent", waits=NO_WAITS) as client:
            held: Any = None
            while not stop.is_set():
                text = f"edit {len(written)}"
                arguments = {"book_id": desk.book_id, "path": own, "content": text}
                answer = client.call("write_content", arguments | ({"expected_hash": held} if held else {}))
                held = answer["file_hash"]
                written.append(text)

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        for turn in range(10):
            write_tree(desk.docs, {LESSON: b"turn %d" % turn})
            desk.ingest()
    finally:
        stop.set()
        thread.join()
    book = desk.book
    assert written
    assert book["Part-01/Chapter-01/50-agents.md"] == written[-1].encode()
    assert book[LESSON] == b"turn 9"


def test_FR_025_a_hash_nobody_was_told_is_a_warning_with_the_full_list(desk: Desk) -> None:
    desk.ingest()
    plan = desk.server.plan_build(desk.book_id, PlanQuestion(digest_of(b"never told")))
    assert plan.warns("MANIFEST_UNKNOWN")
    assert len(plan.files) == len(FILES)
    assert desk.server.plan_build("nobody-made-this").warns("BOOK_UNKNOWN")


def test_errors_of_the_data_plane_keep_their_types(desk: Desk) -> None:
    desk.ingest()
    manifest = digest_of(desk.manifest())
    with pytest.raises(NotFound):
        desk.server.manifest_text(desk.book_id, digest_of(b"never told"))
    with pytest.raises(NotFound):
        list(desk.server.fetch_pack(desk.book_id, manifest, [digest_of(b"never stored")]))
    with pytest.raises(HashMismatch):
        desk.server.put_blob(desk.book_id, digest_of(b"one"), 3, lambda: iter([b"two"]))
    with pytest.raises(InvalidArgument):
        desk.server.call("plan_build", {"book_id": "NOT A BOOK"})
    with pytest.raises(NotFound):
        desk.server.call("no_such_tool", {})


def test_an_empty_file_and_an_empty_pack_are_nothing_special(desk: Desk) -> None:
    desk.ingest()
    manifest = digest_of(desk.manifest())
    members = desk.server.fetch_pack(desk.book_id, manifest, [EMPTY])
    assert [(digest, size, b"".join(chunks)) for digest, size, chunks in members] == [(EMPTY, 0, b"")]
