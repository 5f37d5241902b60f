"""What the server writes to its log: one line an event, whatever a caller put into it."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from panaversity_fs.api.noting import MAX_FIELD, Note, log_answer
from panaversity_fs.logs import TALKATIVE, Form, configure_logging

HOSTILE = ['a\n{"level":"forged"}', "a\r\nb", "\x1b[31mred", "a\u2028b", "\u202eabc", "nul\x00", "del\x7f", "\ud800"]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


Configure = Callable[..., io.StringIO]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Configure logging in this form; what is written then. Everything is as before afterwards."""
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, [logging.getLogger(name).level for name in TALKATIVE])

    def configure(form: Form | None, on_terminal: bool = False) -> io.StringIO:
        written = Screen() if on_terminal else io.StringIO()
        monkeypatch.setattr("sys.stderr", written)
        root.handlers.clear()
        configure_logging(form)
        return written

    yield configure
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    for name, level in zip(TALKATIVE, kept[2], strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_S27_no_text_forges_a_second_line(text: str, form: Form, log: Configure) -> None:
    written = log(form)
    logging.getLogger("panaversity_fs.api").error("path %s refused", text)
    logging.getLogger("panaversity_fs.api").info("not worth a line")
    log_answer("write_content", "ok", Note(agent=text, book_id=text), 0.001)
    first, second = written.getvalue().splitlines()
    assert written.getvalue().replace("\n", "", 2).isprintable()
    if form == "text":
        assert first.startswith("ERROR panaversity_fs.api: path ")
        assert second.startswith("write_content OK 1.0 ms request_id=")
    else:
        assert json.loads(first)["event"] == f"path {text} refused"
        assert json.loads(second)["agent"] == text


@pytest.mark.parametrize("form", ["text", "json"])
def test_S27_what_an_exception_says_stays_out_of_the_log(form: Form, log: Configure) -> None:
    written = log(form)
    try:
        try:
            int("canary-1")
        except ValueError as cause:
            raise RuntimeError("canary-2") from cause
    except RuntimeError:
        logging.getLogger("panaversity_fs.api").exception("request %s failed", "42")
    said = written.getvalue()
    assert "canary" not in said
    assert "RuntimeError" in said
    assert "ValueError" in said
    assert "test_api_log_lines.py:" in said
    assert form == "text" or len(said.splitlines()) == 1


def test_json_is_the_form_wherever_nobody_looks_on(log: Configure) -> None:
    written = log(None)
    logging.getLogger("panaversity_fs.serve").info("listening")
    line = json.loads(written.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("listening", "info", "panaversity_fs.serve")
    assert line["time"].endswith("+00:00")


def test_people_on_a_terminal_get_text(log: Configure) -> None:
    written = log(None, on_terminal=True)
    logging.getLogger("panaversity_fs.serve").info("listening")
    assert written.getvalue() == "listening\n"


def test_a_line_names_outcome_code_and_duration_and_cuts_long_texts(log: Configure) -> None:
    written = log("json")
    log_answer("read_content", "refused", Note(agent="a" * 1000, code="NOT_FOUND"), 0.0123, door="mcp")
    line = json.loads(written.getvalue())
    assert (line["name"], line["outcome"], line["code"], line["duration_ms"]) == (
        "read_content", "refused", "NOT_FOUND", 12.3,
    )  # fmt: skip
    assert len(line["agent"]) == MAX_FIELD + 1
    assert "book_id" not in line
    assert line["level"] == "info"


def test_a_failure_of_ours_is_a_warning(log: Configure) -> None:
    written = log("json")
    log_answer("read_content", "failed", Note(code="INTERNAL"), 0)
    assert json.loads(written.getvalue())["level"] == "warning"
