"""What leaves the server: the headers on every answer that carries stored bytes, whatever its status, and nothing of
content, secrets or tokens in logs and errors (S7, S25, S27, G20).
"""

import json
import re
from collections.abc import Iterator

import pytest

from panaversity_fs.core.changes import Changeset, Write
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.pack import CHANGESET_MEMBER, END, member
from panaversity_fs.core.schema import Schema
from support.live import Answer, LiveServer

BOOK = "served"
CONTENT = "canary-content-81bfa2"
TOKEN = "canary-token-eyJhbGciOiJub25lIn0.e30."
SECRETS = {
    "Authorization": f"Bearer {TOKEN}",
    "Cookie": "session=canary-cookie-11",
    "X-Api-Key": "canary-key-22",
    "Proxy-Authorization": "Basic canary-proxy-33",
}
FILES = {
    "content/a.md": CONTENT.encode(),
    "content/a.html": b"<script>alert(1)</script>",
    "content/x.svg.md": b"<svg onload=1>",
    "static/img/@/p.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "static/img/@/p.png": b"\x89PNG\r\n\x1a\n<html><script>1</script>",
    "content/x.js": b"alert(1)",
    "content/x.xml": b"<x/>",
    "content/x.weird": b"MZ\x90",
    "static/slides/@/s.pdf": b"%PDF-1.7 <script>",
}
RUNS = (".html", ".svg", ".js", ".xml", ".weird")
FORGING = [
    'a\n{"level":"error"}',
    "\x1b[31mred\x1b[0m",
    "a\u2028b",
    "a\rb",
    "\u202eevil",
    "x" * 5000,
    "%s%s%n",
    "\x00",
    "\x9b31m",
    '"}\n{"level":"critical","event":"forged"}',
    "a\tb",
    "\x7f",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("served") / "store") as server:
        writes = [Write(path, digest_of(data), len(data), None) for path, data in FILES.items()]
        body = member(CHANGESET_MEMBER, Changeset(tuple(writes), schema=Schema.DOCUSAURUS).to_json())
        body += b"".join(member(digest_of(data), data) for data in dict.fromkeys(FILES.values())) + END
        answer = server.request("POST", f"/books/{BOOK}/changesets", body)
        assert answer.status == 200, answer.body
        yield server


def every_status(server: LiveServer) -> dict[str, Answer]:
    """Answers of the data plane with as many statuses as there are, by a name that says which."""
    digest = digest_of(FILES["content/a.md"])
    manifest = server.call("plan_build", book_id=BOOK).structured["manifest_hash"]
    file, blob = f"/books/{BOOK}/files/content/a.html", f"/books/{BOOK}/blobs/{digest}"
    tag = server.request("GET", file).headers["etag"]
    asked = json.dumps({"manifest": manifest, "digests": [digest]}).encode()
    get = lambda path, **headers: server.request("GET", path, headers=headers)  # noqa: E731
    return {
        "200 file": get(file),
        "304 file": get(file, **{"If-None-Match": tag}),
        "206 file": get(file, Range="bytes=0-3"),
        "416 file": get(file, Range="bytes=999-"),
        "404 file": get(f"/books/{BOOK}/files/content/none.html"),
        "400 file": get(f"/books/{BOOK}/files/%2e%2e/x"),
        "200 blob": get(blob),
        "206 blob": get(blob, Range="bytes=1-2"),
        "304 blob": get(blob, **{"If-None-Match": get(blob).headers["etag"]}),
        "404 blob": get(blob[:-4] + "0000"),
        "416 blob": get(blob, Range="bytes=999-"),
        "200 pack": server.request("POST", f"/books/{BOOK}/packs", asked),
        "200 manifest": get(f"/books/{BOOK}/manifests/{manifest}"),
        "200 archive": get(f"/books/{BOOK}/archive"),
        "206 archive": get(f"/books/{BOOK}/archive", Range="bytes=0-3"),
        "404 manifest": get(f"/books/{BOOK}/manifests/{'0' * 64}"),
        "405": server.request("DELETE", file),
        "404 route": get("/books"),
    }


def test_S25_nothing_served_runs_whatever_the_status(server: LiveServer) -> None:
    answers = every_status(server)
    for name, answer in answers.items():
        assert name.startswith(str(answer.status)), (name, answer.status)
        assert "access-control-allow-origin" not in answer.headers, name
        assert "access-control-allow-credentials" not in answer.headers, name
        assert "set-cookie" not in answer.headers, name
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/json", name
            assert CONTENT not in answer.body.decode(), name
        elif answer.status != 304:
            assert answer.headers["x-content-type-options"] == "nosniff", name
            assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox", name
    assert {answer.status for answer in answers.values()} >= {200, 206, 304, 400, 404, 405, 416}


@pytest.mark.parametrize("path", FILES)
def test_S25_types_come_from_the_name_and_what_runs_is_attached(server: LiveServer, path: str) -> None:
    for headers in ({}, {"Range": "bytes=0-2"}, {"Accept": "text/html"}):
        answer = server.request("GET", f"/books/{BOOK}/files/{path}", headers=headers)
        assert answer.status in (200, 206)
        kind, attached = answer.headers["content-type"], "attachment" in answer.headers.get("content-disposition", "")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert attached is path.endswith(RUNS), (path, kind)
        if not attached:
            assert not kind.startswith(("text/html", "image/svg", "application/xml", "text/javascript")), path


def test_S25_a_foreign_page_may_read_nothing(server: LiveServer) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
        answer = server.request(method, f"/books/{BOOK}/files/content/a.md", headers=headers)
        assert answer.status in (403, 405, 421), answer.status
        assert "access-control-allow-origin" not in answer.headers
        assert CONTENT not in answer.body.decode()


def logged(server: LiveServer) -> str:
    return server.errors.read_text("utf-8", "replace") + server.output.read_text("utf-8", "replace")


def test_S7_S27_G20_no_secret_and_no_content_is_in_any_log_or_error(server: LiveServer) -> None:
    said: list[str] = []
    lesson = "content/01-Part/02-Chapter/03-canary.md"
    for tool, arguments in [
        ("write_content", {"path": lesson, "content": f"text {CONTENT}"}),
        ("write_content", {"path": lesson, "content": f"again {CONTENT}"}),
        ("write_content", {"path": lesson, "content": CONTENT, "expected_hash": "0" * 64}),
        ("write_content", {"path": "nowhere/x.md", "content": CONTENT}),
        ("write_content", {"path": "../x.md", "content": CONTENT}),
        ("write_content", {"path": lesson, "content": [CONTENT]}),
        ("write_content", {"path": lesson, "content": CONTENT, "unknown": CONTENT}),
        ("edit_content", {"path": lesson, "old_text": CONTENT + "?", "new_text": CONTENT, "expected_hash": "0" * 64}),
        ("upload_asset", {"asset_type": "img", "filename": "a.png", "binary_data": f"not base64 {CONTENT}"}),
        ("grep_search", {"pattern": f"({CONTENT}"}),
        ("no_such_tool", {"content": CONTENT}),
    ]:
        answer = server.rpc({"name": tool, "arguments": {"book_id": BOOK, **arguments}, "_meta": {"agent_id": "tests"}})
        body = answer.json()
        if body.get("result", {}).get("isError") or "error" in body:
            said.append(answer.body.decode())
    for path in (f"/books/{BOOK}/files/content/a.md?token={TOKEN}", "/mcp", f"/books/{BOOK}/blobs/{'0' * 64}", "/nope"):
        refusal = server.request("GET", path, headers=SECRETS)
        if refusal.status >= 400:
            said.append(refusal.body.decode())
    bad = server.request("POST", f"/books/{BOOK}/changesets", CONTENT.encode() * 50, SECRETS)
    said.append(bad.body.decode())
    assert len(said) >= 10
    lines = logged(server)
    for canary in (CONTENT, TOKEN, "canary-cookie", "canary-key", "canary-proxy", "eyJhbGciOiJub25lIn0"):
        assert canary not in lines, f"{canary} is in the log"
        assert not [text for text in said if canary in text], f"{canary} is in an error"
    print(f"{len(said)} refusals, {len(lines)} characters of log, 0 canaries")


def test_S27_no_text_of_a_caller_forges_a_line_of_the_log(server: LiveServer) -> None:
    for text in FORGING:
        server.call("read_content", book_id=BOOK, path=f"content/{text}")
        server.call("read_content", book_id=text, path="content/a.md")
        server.rpc({"name": "create_book", "arguments": {"book_id": "x-x"}, "_meta": {"agent_id": text}})
        server.rpc({"name": text, "arguments": {}})
        header = re.sub(r"[\r\n\x00]", " ", text).encode("utf-8").decode("latin-1")
        for name in ("X-Panaversity-Agent", "X-Request-Id", "User-Agent", "Referer"):
            server.request("GET", "/readyz", headers={name: header}, agent=None)
    lines = logged(server)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", lines)
    for line in lines.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            assert entry.get("event") != "forged"
            assert len(line) < 8_000
    assert '{"level":"critical"' not in {line[:19] for line in lines.splitlines()}
