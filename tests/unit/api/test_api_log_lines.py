"""What the server writes to its log: one line an event, whatever a caller put into it."""

import io
import logging

import pytest

from panaversity_fs.serve import configure_logging


@pytest.mark.parametrize("text", ['a\n{"level":"forged"}', "a\r\nb", "\x1b[31mred", "a\u2028b", "\u202eabc", "nul\x00"])
def test_S27_no_text_forges_a_second_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr("sys.stderr", written)
    kept, level = list(root.handlers), root.level
    try:
        root.handlers.clear()
        configure_logging()
        logging.getLogger("panaversity_fs.api").error("path %s refused", text)
        logging.getLogger("panaversity_fs.api").info("not worth a line")
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    line = written.getvalue()
    assert line.startswith("ERROR panaversity_fs.api: path ")
    assert len(line.splitlines()) == 1
    assert line.rstrip("\n").isprintable()
