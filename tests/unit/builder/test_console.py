"""The console and the outer edge: which stream, which words, which exit status."""

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from panaversity_builder.console import Console
from panaversity_builder.console.bars import Bars, Lines
from panaversity_builder.console.edge import guarded
from panaversity_builder.console.phases import aged, phase_rows, phase_table
from panaversity_builder.console.results import build_lines, hydrate_lines, ingest_lines, plan_lines
from panaversity_builder.console.texts import amount, error_lines, phase_line, size
from panaversity_builder.engine import PhaseEvent
from panaversity_builder.forecast import Forecast
from panaversity_builder.lifecycle import KeyDocument, Phase
from panaversity_builder.snapshots import Record
from panaversity_fs.core.errors import Conflict, PhaseFailed, SourceRefused, error_types


class Terminal(io.StringIO):
    def isatty(self):
        return True


def console(environ=None, stderr=None):
    return Console(io.StringIO(), stderr or io.StringIO(), environ or {})


def out(one):
    return one._out.getvalue()


def err(one):
    return one._err.getvalue()


def test_a_result_is_text_on_stdout_and_nothing_on_stderr():
    one = console()
    one.result(["done"], {"a": 1})
    assert (out(one), err(one)) == ("done\n", "")


def test_a_result_in_json_is_one_object_with_its_version_first():
    one = console()
    one.manner.format = "json"
    one.result(["done"], {"a": "ä", "schema_version": 7})
    assert out(one) == '{"schema_version": 1, "a": "ä"}\n'


def test_quiet_hides_results_and_progress_but_never_trouble():
    one = console()
    one.manner.verbosity = -1
    one.result(["done"], {})
    one.progress.note("detail")
    one.progress.warn("odd state file")
    one.error(Conflict("ingest", "guide", "changed on both sides"))
    assert (out(one), err(one)) == (
        "", "warning: odd state file\nerror CONFLICT: ingest: guide: changed on both sides.\n",
    )  # fmt: skip


def test_FR_503_notes_are_for_verbose_only():
    for verbosity, expected in ((0, ""), (1, "2 requests\n")):
        one = console()
        one.manner.verbosity = verbosity
        one.progress.note("2 requests")
        assert err(one) == expected


def test_FR_504_every_error_leaves_with_its_own_status_and_one_sentence():
    for kind in error_types():
        one = console()

        def fail(kind=kind):
            raise kind("verb", "subject", "is wrong", "Do this")

        assert guarded(one, fail) == kind.exit_status
        assert err(one) == f"error {kind.code}: verb: subject: is wrong. Do this.\n"
        assert out(one) == ""


def test_FR_504_an_error_in_json_goes_to_stdout_with_its_exit_status():
    one = console()
    one.manner.format = "json"

    def fail():
        raise Conflict("ingest", "guide", "changed", path="content/a.md")

    assert guarded(one, fail) == 11
    body = json.loads(out(one))
    assert body["error"]["code"] == "CONFLICT"
    assert body["error"]["path"] == "content/a.md"
    assert body["error"]["exit_status"] == 11
    assert err(one) == ""


def test_particulars_are_listed_below_the_sentence_and_long_lists_are_cut():
    refused = [{"source": f"f{n}.md", "reason": "is bad"} for n in range(25)]
    lines = list(error_lines(SourceRefused("ingest", "docs", "25 files cannot be taken", refused=refused)))
    assert lines[1] == "  f0.md: is bad"
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more (all of them with --format json)"


def test_a_log_tail_is_shown_as_quoted_lines():
    error = PhaseFailed("build", "docusaurus", "ended with status 1", log_tail=["a.md: broken"])
    assert list(error_lines(error))[1] == "  | a.md: broken"


def test_names_from_outside_cannot_write_to_the_terminal():
    error = SourceRefused("ingest", "docs", "no", refused=[{"source": "a\x1b[2J\n.md", "reason": "is bad"}])
    assert "\x1b" not in "".join(error_lines(error))


def test_a_bug_leaves_with_70_one_sentence_and_a_trace_in_a_file(tmp_path):
    one = console()
    one.log_dir = str(tmp_path / "logs")

    def fail():
        raise ZeroDivisionError("secret detail")

    assert guarded(one, fail) == 70
    (log,) = (tmp_path / "logs").iterdir()
    assert err(one) == (
        "error INTERNAL: panaversity: ZeroDivisionError: this is a bug in panaversity. "
        f"Its trace is in {log}; please report it.\n"
    )
    assert "secret detail" in log.read_text()


def test_an_interrupt_leaves_with_130_and_says_how_to_go_on():
    one = console()

    def fail():
        raise KeyboardInterrupt

    assert guarded(one, fail) == 130
    assert err(one) == "interrupted; run the same command again to go on\n"


@pytest.mark.parametrize(
    ("environ", "tty", "coloured"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_follows_the_terminal_and_the_two_variables(environ, tty, coloured):
    one = console(environ, Terminal() if tty else io.StringIO())
    one.error(Conflict("ingest", "guide", "changed"))
    assert ("\x1b[" in err(one)) is coloured


@pytest.mark.parametrize(
    ("environ", "tty", "kind"), [({}, False, Lines), ({}, True, Bars), ({"CI": "true"}, True, Lines)]
)
def test_bars_are_for_terminals_only(environ, tty, kind):
    assert type(console(environ, Terminal() if tty else io.StringIO()).progress) is kind


def test_a_quick_task_says_nothing_and_a_slow_one_a_line_every_few_seconds():
    one = console()
    times = iter([0.0, 1.0, 5.5, 6.0, 11.0])
    lines = Lines(one, lambda: next(times))
    lines.start("fetch", 1000, "files")
    for _ in range(4):
        lines.advance(1)
    lines.finish()
    assert err(one) == "fetch: 2 files of 1000 files\nfetch: 4 files of 1000 files\n"


def test_a_bar_is_drawn_and_vanishes_and_warnings_stay():
    one = console({"TERM": "xterm"}, Terminal())
    one.progress.start("fetch", 3_000_000, "bytes")
    one.progress.advance(1_500_000)
    one.progress.warn("[odd] markup")
    one.progress.finish()
    one.close()
    assert "fetch" in err(one)
    assert "warning: [odd] markup" in err(one)


READER_LEAVES = """
import os, sys
from panaversity_builder.console.edge import guarded, standard_console
console = standard_console()
def work():
    for number in range(10000):
        console.say(f"line {number}")
        console.data([f"line {number}"])
    open(sys.argv[1], "w").write("worked to the end")
    return 0
sys.exit(guarded(console, work))
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_leaves_does_not_stop_the_work(tmp_path, stream):
    done = tmp_path / "done"
    other = "stderr" if stream == "stdout" else "stdout"
    streams = {stream: subprocess.PIPE, other: subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", READER_LEAVES, str(done)], **streams)
    pipe = getattr(process, stream)
    pipe.readline()
    pipe.close()
    assert process.wait(20) == 0
    assert done.read_text() == "worked to the end"


WORK = """
import sys
from panaversity_builder.console.edge import guarded, standard_console
from panaversity_fs.core.errors import Conflict
console = standard_console()
console.manner.format = sys.argv[1]
def work():
    console.progress.warn("odd")
    console.result(["done"], {"a": 1})
    if sys.argv[2] == "11":
        raise Conflict("ingest", "guide", "changed")
    print("said by somebody else")
    return int(sys.argv[2])
sys.exit(guarded(console, work))
"""
FULL = "error NO_SPACE: panaversity: standard output: cannot be written (No space left on device). Free some space.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    ("kind", "status", "stream", "left", "rest"),
    [
        ("text", 0, "stdout", 4, f"warning: odd\n{FULL}"),
        ("json", 1, "stdout", 4, f"warning: odd\n{FULL}"),  # differences that nobody was told of
        ("text", 11, "stdout", 11, f"warning: odd\nerror CONFLICT: ingest: guide: changed.\n{FULL}"),
        ("text", 0, "stderr", 4, "done\nsaid by somebody else\n"),
    ],
)
def test_FR_504_a_stream_that_cannot_be_written_is_a_failure_and_stops_nothing(kind, status, stream, left, rest):
    other = "stderr" if stream == "stdout" else "stdout"
    with open("/dev/full", "wb") as full:
        streams = {stream: full, other: subprocess.PIPE}
        done = subprocess.run([sys.executable, "-c", WORK, kind, str(status)], **streams, text=True, timeout=20)
    assert (done.returncode, getattr(done, other)) == (left, rest)


def test_a_stream_that_is_closed_from_the_start_is_one_that_nobody_reads():
    script = 'exec "$0" -c "$1" json 0 >&- 2>&-'
    assert subprocess.run(["sh", "-c", script, sys.executable, WORK], timeout=20).returncode == 0


def test_sigterm_unwinds_as_an_interrupt(tmp_path):
    code = """
import sys, time
from panaversity_builder.console.edge import guarded, standard_console
def work():
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        print("tidied up", flush=True)
sys.exit(guarded(standard_console(), work))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "tidied up\n")


def test_text_that_a_stream_cannot_encode_is_escaped(tmp_path):
    code = """
import os, sys
from panaversity_builder.console.edge import standard_console
standard_console().data(["\\u00e4 \\udcff"])
"""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, timeout=20)
    assert done.returncode == 0
    assert done.stdout == b"\\xe4 \\udcff\n"


INGEST = {
    "book_id": "guide", "revision": 3, "added": 0, "updated": 0, "deleted": 0, "moved": 0, "unchanged": 44,
    "diverged": 0, "ignored": 0, "files": [], "dry_run": False, "diverged_files": [], "kept_files": [],
    "ignored_files": [],
}  # fmt: skip
HYDRATE = {
    "book_id": "guide", "mode": "unchanged", "reason": "", "added": 0, "updated": 0, "deleted": 0, "unchanged": 44,
    "hydrate_files_downloaded": 0, "hydrate_bytes_transferred": 320,
}  # fmt: skip


def test_nothing_changed_is_one_line():
    assert list(ingest_lines(INGEST)) == ["ingest guide: nothing changed (44 unchanged)"]
    assert list(hydrate_lines(HYDRATE)) == ["hydrate guide: unchanged (44 files)"]


def test_FR_206_an_ingest_counts_and_then_names_what_changed():
    files = [
        {"path": "content/a.md", "source": "a.md", "change": "added"},
        {"path": "content/b.md", "source": None, "change": "deleted"},
    ]
    body = {**INGEST, "added": 1, "deleted": 1, "diverged": 1, "files": files, "diverged_files": ["content/c.md"]}
    assert list(ingest_lines(body)) == [
        "ingest guide: 1 added, 1 deleted, 44 unchanged, 1 diverged; revision 3",
        "  A a.md",
        "  D b.md",
        "left alone, edited in the book since the last ingest (bring it with pull, or --overwrite it):",
        "  ! c.md",
    ]


def test_FR_205_a_dry_run_says_that_nothing_was_written():
    body = {**INGEST, "added": 1, "dry_run": True}
    assert next(ingest_lines(body)) == "ingest guide: would be 1 added, 44 unchanged; dry run, nothing was written"


def test_ignored_and_kept_files_are_named_to_who_asks_and_what_pull_would_bring_is_counted_for_all():
    kept = ["content/01-Part/k.md", "l"]
    body = {**INGEST, "ignored_files": [{"source": ".DS_Store", "reason": "begins with a dot"}], "kept_files": kept}
    heading = "only in the book, kept (bring them with pull): 2 files"
    assert list(ingest_lines(body))[1:] == [heading]
    assert list(ingest_lines({**body, "numbering": "name-number"}, verbose=True))[1:] == [
        heading, "  = Part-01/k.md", "  = l", "ignored:", "  - .DS_Store: begins with a dot",
    ]  # fmt: skip


def test_a_hydrate_says_what_came_and_why():
    body = {**HYDRATE, "mode": "full", "reason": "the manifest is unknown", "added": 2, "hydrate_files_downloaded": 1}
    assert list(hydrate_lines(body)) == [
        "hydrate guide: 2 added; 1 file downloaded, 320 B transferred",
        "  full: the manifest is unknown",
    ]


def test_a_plan_names_what_would_change_and_what_is_in_the_way():
    body = {
        "book_id": "guide", "mode": "delta", "reason": "", "unchanged": 3, "files_to_download": 1,
        "bytes_to_download": 1234, "files": [{"status": "M", "path": "a.md"}],
        "obstacles": [{"path": "b.md", "reason": "was edited"}],
    }  # fmt: skip
    assert list(plan_lines(body, explain=True)) == [
        "plan guide: 1 file would change; 1 file, 1.2 KB to download",
        "  delta: the stored manifest is known",
        "  M a.md",
        "in the way (a hydrate would stop with status 3):",
        "  ! b.md: was edited",
    ]


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ({"name": "docusaurus", "state": "cached", "reason": "unchanged"},
         "build guide: unchanged; the site is up to date (1.2 s): /s/build"),
        ({"name": "docusaurus", "state": "ran", "reason": "x"}, "build guide: site built in 1.2 s: /s/build"),
        ({"name": "hydrate", "state": "ran", "reason": "x"}, "build guide: done up to hydrate (1.2 s)"),
    ],
)  # fmt: skip
def test_a_build_ends_with_one_line(phase, said):
    report = {"book_id": "guide", "build_total_seconds": 1.23, "phases": [phase]}
    assert list(build_lines(report, "/s/build")) == [said]


def test_amounts_are_written_for_people():
    assert [amount(1, "files"), amount(0, "files"), amount(999, "bytes"), amount(1500, "bytes")] == [
        "1 file", "0 files", "999 B", "1.5 KB",
    ]  # fmt: skip
    assert [size(2_500_000), size(3_000_000_000)] == ["2.5 MB", "3.0 GB"]
    assert [aged(5), aged(61), aged(7200), aged(200000)] == ["5 s", "1 min", "2 h", "2 d"]


def test_show_phases_tells_state_age_size_and_last_duration():
    look, make = Phase("1", "look", "look", volatile=True), Phase("2", "make", "make it")
    record = Record(KeyDocument("l", 1, "2", {}, None), "x", "2026-11-20T10:00:00+00:00", 2.5)
    forecasts = [Forecast(look, "run", "always runs"), Forecast(make, "cached", "unchanged", record=record)]
    rows = phase_rows(forecasts, {"2": 1500}, datetime(2026, 11, 20, 11, tzinfo=UTC))
    assert list(phase_table(rows)) == [
        "id  name  description  state        age  size    last",
        "1   look  look         always runs  -    -       -",
        "2   make  make it      cached       1 h  1.5 KB  2.5 s",
        "make cached: unchanged",
    ]


def test_a_record_with_an_odd_time_is_shown_without_an_age():
    record = Record(KeyDocument("l", 1, "2", {}, None), "x", "yesterday", 2.5)
    made = Forecast(Phase("2", "make", "make it"), "run", "never built", record=record)
    (row,) = phase_rows([made], {}, datetime(2026, 11, 20, tzinfo=UTC))
    assert (row["age_seconds"], row["size_bytes"], row["state"]) == (None, None, "would run")


@pytest.mark.parametrize(
    ("kind", "note", "verbosity", "volatile", "said"),
    [
        ("start", "never built", 0, False, "[50%] make: never built"),
        ("done", "never built", 0, False, "[100%] make: done (1.2 s)"),
        ("done", "x; not remembered", 0, False, "[100%] make: done; not remembered (1.2 s)"),
        ("failed", "breaks", 0, False, "[50%] make: failed (1.2 s)"),
        ("failed", "breaks", 0, True, "[50%] make: failed (1.2 s)"),
        ("cached", "unchanged", 0, False, None),
        ("cached", "unchanged", 1, False, "[100%] make: cached, unchanged (1.2 s)"),
        ("cached", "restored: it was gone", 1, False, "[100%] make: restored: it was gone (1.2 s)"),
        ("done", "always runs", 0, True, None),
        ("start", "always runs", 1, True, None),
        ("done", "always runs", 1, True, "[100%] make: always runs (1.2 s)"),
    ],
)
def test_phase_lines_tell_how_far_which_and_how_long_and_keep_quiet_about_routine(
    kind, note, verbosity, volatile, said
):
    event = PhaseEvent(kind, Phase("2", "make", "make it", volatile), 2, 2, note, 1.23)
    assert phase_line(event, verbosity) == said
