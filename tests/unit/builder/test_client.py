"""The client over a real socket: what it sends, what it believes, and every way a server can let it down."""

import gzip
import io
import json
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard

from panaversity_builder.client import NO_WAITS, TEXT_WITHIN, Client, PlanQuestion
from panaversity_fs.core import pack
from panaversity_fs.core.changes import Changeset, Write, parse_changeset
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import (
    BlobsMissing,
    BookGone,
    ConfigInvalid,
    Conflict,
    Forbidden,
    HashMismatch,
    InvalidArgument,
    PanaversityError,
    ReadOnly,
    ServerUnreachable,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema
from support.stub_server import Answer, Request, Stub, error_answer, stub_server, tool_answer

ONE, TWO = b"one", b"two" * 300_000
D1, D2 = digest_of(ONE), digest_of(TWO)
TEXT = f"content/a.md:{D1}\n".encode()
MANIFEST = digest_of(TEXT)
PLAN: dict[str, Any] = {
    "status": "changed", "manifest_hash": MANIFEST, "numbering": "name-number", "schema": "docusaurus", "revision": 3,
    "store_id": "s", "incarnation": 1, "ingest_manifest": None, "changed_count": 1, "total_files": 1, "total_bytes": 3,
    "truncated": False, "persisted": True,
    "files": [{"path": "content/a.md", "current_hash": D1, "target_hash": None, "change_type": "added", "size": 3}],
}  # fmt: skip
DONE = {
    "revision": 4, "manifest_hash": MANIFEST, "added": 1, "updated": 0, "deleted": 0, "unchanged": 0,
    "schema": "docusaurus", "numbering": None,
}  # fmt: skip


def client(stub: Stub, **named: Any) -> Client:
    return Client(named.pop("url", stub.url), "tester", waits=NO_WAITS, **named)


def tar(*blobs: tuple[str, bytes]) -> bytes:
    return b"".join(pack.member(name, data) for name, data in blobs) + pack.END


def packed(*blobs: tuple[str, bytes]) -> Answer:
    return Answer(body=zstandard.compress(tar(*blobs)), headers={"Content-Encoding": "zstd"})


def fetch(stub: Stub, *digests: Digest) -> dict[str, bytes]:
    with client(stub) as server:
        return {digest: b"".join(chunks) for digest, _, chunks in server.fetch_pack("book", MANIFEST, digests)}


# --- MCP ---


def test_D9_a_plan_is_one_plain_post_with_the_agent_in_its_meta() -> None:
    with stub_server(tool_answer(PLAN)) as stub, client(stub) as server:
        plan = server.plan_build("book", PlanQuestion(EMPTY, "content"))
        assert server.traffic.requests == len(stub.requests) == 1
    [request] = stub.requests
    assert (request.method, request.path) == ("POST", "/mcp")
    assert "mcp-protocol-version" not in request.headers
    assert request.headers["x-panaversity-agent"] == "tester"
    params = request.json()["params"]
    assert params["arguments"] == {"book_id": "book", "scope": "content", "target_manifest_hash": EMPTY}
    assert params["_meta"] == {"agent_id": "tester"}
    assert (plan.manifest_hash, plan.numbering, plan.schema) == (MANIFEST, Numbering.NAME_NUMBER, Schema.DOCUSAURUS)
    assert plan.files[0].current == D1


@pytest.mark.parametrize("suffix", ["", "/", "/mcp", "/mcp/"])
def test_the_url_may_name_the_server_or_its_mcp_door(suffix: str) -> None:
    with stub_server(tool_answer(PLAN)) as stub, client(stub, url=stub.url + suffix) as server:
        server.plan_build("book")
        assert stub.requests[0].path == "/mcp"


def test_a_server_below_a_path_keeps_that_path() -> None:
    with stub_server(tool_answer(PLAN)) as stub, client(stub, url=stub.url + "/fs") as server:
        server.plan_build("book")
        assert stub.requests[0].path == "/fs/mcp"


def test_traffic_counts_bodies_as_they_cross_the_wire() -> None:
    answer = tool_answer(PLAN)
    zipped = Answer(body=gzip.compress(answer.body), headers={"Content-Encoding": "gzip"})
    with stub_server(zipped) as stub, client(stub) as server:
        server.plan_build("book")
        assert server.traffic.received == len(zipped.body)
        assert server.traffic.sent == len(stub.requests[0].body)


def test_a_token_travels_and_credentials_in_the_url_are_never_shown() -> None:
    with stub_server(Answer(401)) as stub:
        with client(stub, token="s3cret-token") as server, pytest.raises(Unauthenticated) as caught:
            server.plan_build("book")
        assert stub.requests[0].headers["authorization"] == "Bearer s3cret-token"
        assert "s3cret" not in str(caught.value)
        url = stub.url.replace("//", "//user:passw0rd@")
        with client(stub, url=url) as server, pytest.raises(Unauthenticated) as caught:
            server.plan_build("book")
        assert stub.requests[1].headers["authorization"].startswith("Basic ")
        assert "passw0rd" not in str(caught.value)
        assert caught.value.exit_status == 16


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://h", "http://", "http://h?x=1", "http://[", "http://h:99999", "file:///x"]
)
def test_a_url_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Client(url, "tester")
    assert caught.value.exit_status == 15


def test_an_agent_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ConfigInvalid):
        Client("http://127.0.0.1:1", "a\r\nX-Evil: 1")


def test_FR_021_an_agent_beyond_ascii_travels_as_utf_8() -> None:
    with stub_server(Answer(body=json.dumps(DONE).encode())) as stub:
        with Client(stub.url, "panaversity:Zoë@büro", waits=NO_WAITS) as client:
            client.send_changeset("book", Changeset(()), lambda: iter(()), "key-1")
        [request] = stub.requests
    assert request.headers["x-panaversity-agent"].encode("latin-1").decode() == "panaversity:Zoë@büro"


def test_a_book_that_looks_like_a_bomb_is_sent_again_as_it_is() -> None:
    with stub_server(error_answer(413, "TOO_LARGE", limit=100), Answer(body=json.dumps(DONE).encode())) as stub:
        changeset(stub)
    assert [request.headers["content-encoding"] for request in stub.requests] == ["zstd", "identity"]
    assert {request.headers["idempotency-key"] for request in stub.requests} == {"key-1"}


def test_a_tool_error_is_rebuilt_with_its_type_and_details() -> None:
    error = {"error": {"code": "BOOK_GONE", "message": "plan: book: was deleted.", "hint": "Ask.", "since": "today"}}
    result = {"content": [{"type": "text", "text": json.dumps(error)}], "isError": True}
    with stub_server(Answer(body=json.dumps({"result": result}).encode())) as stub, client(stub) as server:
        with pytest.raises(BookGone) as caught:
            server.plan_build("book")
        assert len(stub.requests) == 1
    assert str(caught.value) == "plan: book: was deleted. Ask."
    assert caught.value.details == {"since": "today"}


def test_S27_a_servers_words_cannot_command_a_terminal() -> None:
    answer = error_answer(409, "CONFLICT", "do: it\x1b[2J: is \x9b wrong\u202e.", hint="\x07 ring")
    with stub_server(answer) as stub, client(stub) as server, pytest.raises(Conflict) as caught:
        server.plan_build("book")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"code": -32602, "message": "bad arguments"}}, InvalidArgument),
        ({"error": {"code": -32603, "message": "bug"}}, ServerUnreachable),
        ({"result": {"isError": True, "content": [{"type": "text", "text": "Unknown tool: 'x'"}]}}, InvalidArgument),
        ({"result": {"isError": True, "content": []}}, InvalidArgument),
        ({"result": {"content": []}}, ServerUnreachable),
        ({"result": None}, ServerUnreachable),
        ([], ServerUnreachable),
    ],
)
def test_odd_mcp_answers_become_typed_errors(body: Any, error: type[PanaversityError]) -> None:
    with stub_server(Answer(body=json.dumps(body).encode())) as stub, client(stub) as server, pytest.raises(error):
        server.call("x", {})


def test_text_comes_along_with_a_plan_only_if_it_is_asked_for() -> None:
    with stub_server(tool_answer({**PLAN, "texts": {D1: "one"}})) as stub, client(stub) as server:
        assert server.plan_build("book", PlanQuestion(EMPTY, text_within=TEXT_WITHIN)).texts == {D1: b"one"}
        server.plan_build("book", PlanQuestion(EMPTY))
    asked, not_asked = (request.json()["params"]["arguments"] for request in stub.requests)
    assert asked["text_within"] == TEXT_WITHIN
    assert "text_within" not in not_asked


@pytest.mark.parametrize("texts", [[], "one", {"short": "one"}, {D1: 1}, {D1: "\ud800"}])
def test_P14_texts_of_another_form_are_no_plan(texts: object) -> None:
    with (
        stub_server(tool_answer({**PLAN, "texts": texts})) as stub,
        client(stub) as server,
        pytest.raises(ServerUnreachable),
    ):
        server.plan_build("book")


@pytest.mark.parametrize(
    "key", sorted(PLAN.keys() - {"persisted", "numbering", "schema", "ingest_manifest", "truncated"})
)
@pytest.mark.parametrize("value", [None, [None], -1, "x\x00"])
def test_F62_a_plan_of_another_form_is_refused(key: str, value: Any) -> None:
    if key in ("status", "store_id") and isinstance(value, str):
        return
    with (
        stub_server(tool_answer({**PLAN, key: value})) as stub,
        client(stub) as server,
        pytest.raises(ServerUnreachable),
    ):
        server.plan_build("book")


# --- answers that are not ours ---


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        (Answer(401), Unauthenticated, 1),
        (Answer(403, b"no"), Forbidden, 1),
        (Answer(404, b"<html>"), ConfigInvalid, 1),
        (Answer(413, b"too big"), TooLarge, 1),
        (Answer(421, b"Invalid host"), ConfigInvalid, 1),
        (Answer(307, headers={"Location": "https://user:pw@other/"}), ConfigInvalid, 1),
        (Answer(408), ServerUnreachable, 3),
        (Answer(429, headers={"Retry-After": "1"}), ServerUnreachable, 3),
        (Answer(500, b"oops"), ServerUnreachable, 3),
        (Answer(502, b"<html>"), ServerUnreachable, 3),
        (Answer(503), ServerUnreachable, 3),
        (Answer(504), ServerUnreachable, 3),
        (error_answer(500, "INTERNAL"), ServerUnreachable, 3),
        (error_answer(503, "UNAVAILABLE", retryable=True), ServerUnreachable, 3),
        (error_answer(503, "READ_ONLY"), ReadOnly, 1),
        (error_answer(507, "STORAGE_FULL"), StorageFull, 1),
        (Answer(200, b"<html>welcome</html>"), ServerUnreachable, 3),
        (Answer(200, b"[" * 100_000), ServerUnreachable, 3),
    ],
)
def test_every_answer_that_is_not_good_is_a_typed_error(
    answer: Answer, error: type[PanaversityError], requests: int
) -> None:
    with stub_server(answer) as stub, client(stub) as server:
        with pytest.raises(error) as caught:
            server.plan_build("book")
        assert len(stub.requests) == server.traffic.requests == requests
    assert type(caught.value) is error
    assert "pw@" not in str(caught.value)


def test_F18_three_attempts_then_exit_10_naming_url_and_attempts() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://name:pw@127.0.0.1:{closed.getsockname()[1]}"
        with Client(url, "tester", waits=NO_WAITS) as server, pytest.raises(ServerUnreachable) as caught:
            server.plan_build("book")
    assert caught.value.exit_status == 10
    assert "http://127.0.0.1:" in str(caught.value)
    assert "3 attempts" in str(caught.value)
    assert "pw" not in str(caught.value)
    assert server.traffic.requests == 3


def test_F18_a_server_that_comes_back_is_believed() -> None:
    with stub_server(Answer(503), Answer(length=10, reset=True), tool_answer(PLAN)) as stub, client(stub) as server:
        assert server.plan_build("book").revision == 3
        assert len(stub.requests) == 3


def test_F19_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, "tester", waits=NO_WAITS, silence=0.05) as server, pytest.raises(ServerUnreachable) as caught:
            server.plan_build("book")
    assert "in time" in str(caught.value)


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with stub_server(tool_answer(PLAN)) as stub, client(stub) as server:
        assert server.plan_build("book").revision == 3


def test_retries_are_silent() -> None:
    code = (
        "from panaversity_builder.client import *\n"
        "try: Client('http://127.0.0.1:9', 't', waits=NO_WAITS).plan_build('book')\n"
        "except Exception as e: print(type(e).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("ServerUnreachable\n", "")


def test_importing_the_seam_costs_no_http_library() -> None:
    code = (
        "import sys, panaversity_builder.client\n"
        "print([m for m in ('httpx', 'stamina', 'zstandard', 'asyncio') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


# --- manifests and packs ---


def test_a_manifest_text_is_verified_and_asked_for_again() -> None:
    with stub_server(Answer(body=b"wrong"), Answer(body=TEXT)) as stub, client(stub) as server:
        assert server.manifest_text("book", MANIFEST) == TEXT
        assert stub.requests[0].path == f"/books/book/manifests/{MANIFEST}"


def test_a_manifest_text_that_stays_wrong_is_an_integrity_error() -> None:
    with stub_server(Answer(body=b"wrong")) as stub, client(stub) as server:
        with pytest.raises(HashMismatch) as caught:
            server.manifest_text("book", MANIFEST)
        assert len(stub.requests) == 3
    assert caught.value.exit_status == 13


def test_a_pack_is_one_request_and_arrives_member_by_member() -> None:
    with stub_server(packed((D1, ONE), (D2, TWO), (EMPTY, b""))) as stub:
        assert fetch(stub, D1, D2, EMPTY) == {D1: ONE, D2: TWO, EMPTY: b""}
    [request] = stub.requests
    assert (request.method, request.path) == ("POST", "/books/book/packs")
    assert request.json() == {"manifest": MANIFEST, "digests": [D1, D2, EMPTY]}
    assert request.headers["accept-encoding"] == "zstd"


def test_a_pack_may_come_uncompressed() -> None:
    with stub_server(Answer(body=tar((D1, ONE)))) as stub:
        assert fetch(stub, D1) == {D1: ONE}


def test_members_that_are_not_read_are_skipped() -> None:
    with stub_server(packed((D2, TWO), (D1, ONE))) as stub, client(stub) as server:
        members = server.fetch_pack("book", MANIFEST, [D2, D1])
        assert [(digest, size) for digest, size, _ in members] == [(D2, len(TWO)), (D1, 3)]


def test_received_bytes_are_those_of_the_compressed_pack() -> None:
    answer = packed((D2, TWO))
    with stub_server(answer) as stub, client(stub) as server:
        list(server.fetch_pack("book", MANIFEST, [D2]))
        assert server.traffic.received == len(answer.body) < len(TWO) / 100


def _cut(body: bytes, keep: int) -> Answer:
    return Answer(body=body[:keep], headers={"Content-Encoding": "zstd"})


WHOLE = zstandard.compress(tar((D1, ONE), (D2, bytes(range(256)) * 4000)))


@pytest.mark.parametrize("keep", [0, 1, 20, len(WHOLE) // 2, len(WHOLE) - 1])
@pytest.mark.parametrize("how", ["clean end", "wrong length", "no last chunk"])
def test_F36_a_pack_that_is_cut_off_is_unavailable_never_complete(keep: int, how: str) -> None:
    headers = {"Content-Encoding": "zstd"}
    answer = {
        "clean end": Answer(body=WHOLE[:keep], headers=headers),
        "wrong length": Answer(body=WHOLE[:keep], headers=headers, length=len(WHOLE)),
        "no last chunk": Answer(body=WHOLE[:keep] or b"\x28", headers=headers, chunked=True),
    }[how]
    with stub_server(answer) as stub, pytest.raises(Unavailable) as caught:
        fetch(stub, D1, D2)
    assert caught.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        tar((D2, TWO), (D1, ONE)),
        tar((D1, ONE)),
        tar((D1, ONE), (D1, ONE)),
        tar((D1, ONE), (D2, TWO), (EMPTY, b"")),
        tar((D1, ONE), (D2, TWO)) + b"more",
        tar((D1, ONE), ("../../etc/passwd", b"x")),
        b"x" * 512,
        tar(),
    ],
)
def test_F20_F55_a_pack_that_is_not_what_was_asked_for_is_damage(body: bytes) -> None:
    answer = Answer(body=zstandard.compress(body), headers={"Content-Encoding": "zstd"})
    with stub_server(answer) as stub, pytest.raises(HashMismatch):
        fetch(stub, D1, D2)


def test_F55_a_link_in_a_pack_is_refused() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo(D1)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with stub_server(Answer(body=buffer.getvalue())) as stub, pytest.raises(HashMismatch):
        fetch(stub, D1)


@pytest.mark.parametrize("coding", ["gzip", "br", "nonsense"])
def test_a_coding_nobody_asked_for_is_refused(coding: str) -> None:
    answer = Answer(body=gzip.compress(tar((D1, ONE))), headers={"Content-Encoding": coding})
    with stub_server(answer) as stub, pytest.raises(Unavailable):
        fetch(stub, D1)


def test_F20_a_bomb_is_read_in_small_pieces_and_stopped() -> None:
    bomb = zstandard.compress(pack.header(D1, 3) + b"one" + bytes(509) + bytes(200_000_000))
    with stub_server(Answer(body=bomb, headers={"Content-Encoding": "zstd"})) as stub, client(stub) as server:
        digest, _, chunks = next(iter(server.fetch_pack("book", MANIFEST, [D1])))
        assert (digest, b"".join(chunks)) == (D1, ONE)


def test_a_pack_given_up_in_the_middle_leaves_no_connection_open() -> None:
    with stub_server(packed((D1, ONE), (D2, TWO))) as stub, client(stub) as server:
        members = server.fetch_pack("book", MANIFEST, [D1, D2])
        next(members)
        members.close()  # type: ignore[attr-defined]


def test_F18_attempts_let_a_caller_ask_again_for_what_is_missing() -> None:
    with stub_server(_cut(WHOLE, 40), Answer(503), packed((D1, ONE))) as stub, client(stub) as server:
        got = {}
        for attempt in server.attempts():
            with attempt:
                for digest, _, chunks in server.fetch_pack("book", MANIFEST, [D1]):
                    got[digest] = b"".join(chunks)
        assert got == {D1: ONE}
        assert len(stub.requests) == 3


def test_attempts_end_with_server_unreachable() -> None:
    def fetch_with_attempts(server: Client) -> None:
        for attempt in server.attempts():
            with attempt:
                list(server.fetch_pack("book", MANIFEST, [D1]))

    with stub_server(Answer(503)) as stub, client(stub) as server, pytest.raises(ServerUnreachable):
        fetch_with_attempts(server)
    assert len(stub.requests) == 3


# --- one blob ---


def blob(stub: Stub, start: int, size: int) -> bytes:
    with client(stub) as server:
        return b"".join(server.fetch_blob("book", MANIFEST, D1, start, size))


def test_a_blob_is_asked_for_from_an_offset() -> None:
    with stub_server(Answer(206, b"ne"), Answer(200, ONE)) as stub:
        assert blob(stub, 1, 3) == b"ne"
        assert blob(stub, 0, 3) == ONE
    assert stub.requests[0].headers["range"] == "bytes=1-"
    assert "range" not in stub.requests[1].headers
    assert stub.requests[0].path == f"/books/book/blobs/{D1}?manifest={MANIFEST}"


def test_a_server_that_ignores_range_is_understood() -> None:
    with stub_server(Answer(200, ONE)) as stub:
        assert blob(stub, 2, 3) == b"e"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, b"on"), Unavailable),
        (Answer(200, b"on", length=3), Unavailable),
        (Answer(200, b"on", chunked=True), Unavailable),
        (Answer(200, b"one!"), HashMismatch),
        (Answer(200, bytes(10_000_000)), HashMismatch),
        (error_answer(404, "NOT_FOUND"), PanaversityError),
    ],
)
def test_F20_a_blob_of_another_length_is_refused(answer: Answer, error: type[PanaversityError]) -> None:
    with stub_server(answer) as stub, pytest.raises(error):
        blob(stub, 0, 3)


# --- uploads ---


def once(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(pieces)


def test_a_blob_is_put_with_its_length_and_again_from_its_beginning() -> None:
    with stub_server(Answer(503), Answer(201, b"{}")) as stub, client(stub) as server:
        server.put_blob("book", D1, 3, once(b"o", b"ne"))
        assert server.traffic.sent == 6
    assert [request.body for request in stub.requests] == [ONE, ONE]
    assert (stub.requests[1].method, stub.requests[1].path) == ("PUT", f"/books/book/blobs/{D1}")
    assert stub.requests[1].headers["content-length"] == "3"


def changeset(stub: Stub) -> Any:
    change = Changeset((Write("content/a.md", D1, 3), Write("content/b.md", D2, len(TWO))), operation="ingest")
    blobs = [(D1, 3, once(ONE)), (D2, len(TWO), once(TWO[:5], TWO[5:]))]
    with client(stub) as server:
        return server.send_changeset("book", change, lambda: blobs, "key-1"), server.traffic


def unpacked(request: Request) -> list[tuple[str, bytes]]:
    body = zstandard.ZstdDecompressor().decompressobj().decompress(request.body)
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return [(m.name, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]


def test_a_changeset_is_one_compressed_pack_with_its_document_first() -> None:
    with stub_server(Answer(body=json.dumps(DONE).encode())) as stub:
        answer, traffic = changeset(stub)
    [request] = stub.requests
    assert (request.headers["content-encoding"], request.headers["idempotency-key"]) == ("zstd", "key-1")
    assert request.headers["content-type"] == "application/x-tar"
    (first, document), *blobs = unpacked(request)
    assert first == "changeset.json"
    assert [o.path for o in parse_changeset(document).operations] == ["content/a.md", "content/b.md"]
    assert blobs == [(D1, ONE), (D2, TWO)]
    assert (answer.revision, answer.manifest_hash, answer.added) == (4, MANIFEST, 1)
    assert traffic.sent == len(request.body) < len(TWO) / 100


def test_F21_a_changeset_whose_answer_is_lost_is_sent_again_with_its_key() -> None:
    with stub_server(Answer(200, b'{"rev', length=99), Answer(503), Answer(body=json.dumps(DONE).encode())) as stub:
        changeset(stub)
    assert {request.headers["idempotency-key"] for request in stub.requests} == {"key-1"}
    assert len({request.body for request in stub.requests}) == 1
    assert len(stub.requests) == 3


def test_FR_203_a_conflict_comes_back_with_all_its_paths() -> None:
    listed = [{"path": f"content/{n}.md", "code": "CONFLICT"} for n in range(3000)]
    with stub_server(error_answer(409, "CONFLICT", conflicts=listed)) as stub, pytest.raises(Conflict) as caught:
        changeset(stub)
    assert caught.value.details["conflicts"] == listed
    assert len(stub.requests) == 1


def test_missing_blobs_are_told_to_the_caller_not_retried() -> None:
    with stub_server(error_answer(409, "BLOBS_MISSING", digests=[D1])) as stub, pytest.raises(BlobsMissing) as caught:
        changeset(stub)
    assert caught.value.details["digests"] == [D1]
    assert len(stub.requests) == 1


def test_a_source_that_fails_while_it_is_sent_is_not_a_server_that_fails() -> None:
    def broken() -> Iterator[bytes]:
        yield b"o"
        raise InvalidArgument("read", "file", "changed")

    with stub_server(Answer(201)) as stub, client(stub) as server, pytest.raises(InvalidArgument):
        server.put_blob("book", D1, 3, broken)
