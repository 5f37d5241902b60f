"""The revisions of a book as a server tells them: page by page, every field judged."""

import pytest

from panaversity_builder.book.compare.revisions import read_log
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import Unavailable


class Pages:
    """A server of ``count`` revisions."""

    def __init__(self, count, **changed):
        self.asked = []
        self.entries = [{
            "revision": n, "timestamp": "2030-01-01T00:00:00+00:00", "agent_id": "a", "operation": "ingest", "added": 1,
            "modified": 0, "deleted": 0, "settings_changed": False, "bytes_written": 1, "bytes_replaced": None,
            "manifest_hash": digest_of(b"x"), "complete": True, **changed,
        } for n in range(count, 0, -1)]  # fmt: skip

    def call(self, tool, arguments):
        assert (tool, arguments["book_id"]) == ("history", "bk")
        self.asked.append(arguments)
        start, size = int(arguments.get("cursor", 0)), arguments["max_results"]
        end = start + size
        following = str(end) if end < len(self.entries) else None
        return {"entries": self.entries[start:end], "next_cursor": following}


@pytest.mark.parametrize(
    ("count", "limit", "pages"),
    [(0, 20, [20]), (5, 20, [20]), (5, 2, [2]), (250, 230, [100, 100, 30]), (100, 100, [100])],
)
def test_a_log_is_read_in_as_few_requests_as_pages(count, limit, pages):
    server = Pages(count)
    log = read_log(server, "bk", limit)
    assert [one.revision for one in log.revisions] == list(range(count, max(count - limit, 0), -1))
    assert [asked["max_results"] for asked in server.asked] == pages
    assert (log.cursor is None) == (count <= limit)


def test_a_cursor_goes_on_where_the_page_before_ended():
    server = Pages(5)
    first = read_log(server, "bk", 2)
    rest = read_log(server, "bk", 9, first.cursor)
    assert [one.revision for one in (*first.revisions, *rest.revisions)] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "changed",
    [{"revision": -1}, {"revision": True}, {"agent_id": None}, {"added": "1"}, {"manifest_hash": "x"},
     {"bytes_written": 1.5}, {"timestamp": 7}],
)  # fmt: skip
def test_F62_an_answer_that_is_none_is_an_error(changed):
    with pytest.raises(Unavailable, match="malformed"):
        read_log(Pages(1, **changed), "bk", 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"entries": {}, "next_cursor": None},
        {"entries": [], "next_cursor": 1},
        {"entries": [7], "next_cursor": None},
    ],
)
def test_F62_a_page_that_is_none_is_an_error(body):
    class Odd:
        def call(self, tool, arguments):
            return body

    with pytest.raises(Unavailable):
        read_log(Odd(), "bk", 1)


def test_F62_a_server_that_never_comes_to_an_end_is_left():
    class Endless:
        def call(self, tool, arguments):
            return {"entries": [], "next_cursor": "x"}

    assert read_log(Endless(), "bk", 5).revisions == ()
