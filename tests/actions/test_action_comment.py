"""The one comment on a pull request: written, then written anew, and never more than a warning."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from actions.steps import comment


class Hub:
    """As much of GitHub as comments need."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.url = ""
        self.refuses = False

    def answer(self, method: str, path: str, body: Any) -> Any:
        if method == "GET":
            page = int(path.rpartition("page=")[2])
            return self.comments[(page - 1) * 100 : page * 100]
        if method == "POST":
            self.comments.append({"id": len(self.comments) + 1, "user": {"type": "Bot"}, "html_url": "new", **body})
            return self.comments[-1]
        found = next(one for one in self.comments if one["id"] == int(path.rpartition("/")[2]))
        found |= body
        return found


@contextmanager
def hub() -> Iterator[Hub]:
    it = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            size = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            good = self.headers["Authorization"] == "Bearer secret" and not it.refuses
            data = json.dumps(it.answer(self.command, self.path, body) if good else {"message": "no"}).encode()
            self.send_response(200 if good else 403)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do  # noqa: N815 — names of the base class

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        it.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield it
        finally:
            server.shutdown()
            thread.join()


def comments(it: Hub, token: str = "secret") -> "comment.Comments":
    return comment.Comments({"GITHUB_API_URL": it.url, "GITHUB_REPOSITORY": "acme/book"}, token, 7)


def test_a_later_run_writes_its_own_comment_anew_and_nobody_elses():
    with hub() as it:
        person = {"id": 1, "user": {"type": "User"}, "body": comment.marker("diff demo") + "\nmine"}
        it.comments = [person, *({"id": n, "user": {"type": "Bot"}, "body": "other"} for n in range(2, 120))]
        comments(it).put("diff demo", "first")
        comments(it).put("diff demo", "second")
        comments(it).put("diff other-book", "third")
    assert it.comments[0]["body"].endswith("mine")
    assert [one["body"].rpartition("\n")[2] for one in it.comments[119:]] == ["second", "third"]


def test_a_refusal_is_an_error_of_the_system():
    with hub() as it:
        it.refuses = True
        with pytest.raises(OSError, match="403"):
            comments(it).put("diff demo", "text")
