"""Every option of every command is in its help and does something: a table of commands, walked through the real one.

What several commands share is tried with each that has it; the rest stands in ``ROWS``. Nothing can be added to the
command line and forgotten here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from panaversity_builder.cli import COMMANDS
from panaversity_builder.cli import panaversity as group
from support.build_desk import BOOK, BuildDesk
from support.command import Outcome, panaversity

CONTEXT = click.Context(group)
LESSON = "01-Part/01-Chapter/01-one.md"
OWN_TESTS = {"watch", "completion", "manifest log"}
"""One runs until it is stopped, one has no options, one asks what the simulator does not know. What begins with ``env``
has its own as well (``test_env_command``): it wants a program that makes images."""


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = group.get_command(CONTEXT, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        elif command is not None:
            yield name, command


def options_of(command: click.Command) -> set[str]:
    return {
        name
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
        if name.startswith("--")
    }


ALL = {name: command for name, command in commands() if name not in OWN_TESTS and not name.startswith("env ")}


def having(option: str) -> list[str]:
    return [name for name, command in ALL.items() if option in options_of(command)]


class Desk(BuildDesk):
    """A project that was ingested, hydrated and reported on."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.write("img/dot.png", "\x89PNG")
        assert self.run("build").status == 0

    def words(self, line: str) -> list[str]:
        return line.replace("$PLACE", str(self.place)).split()

    def line(self, line: str) -> Outcome:
        return self.run(*self.words(line))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One for all: what is tried with it changes nothing any other test sees."""
    return Desk(tmp_path_factory.mktemp("desk"))


SHARED = {
    "--book-id": ("Not_A_Book", "book_id"),
    "--server-url": ("ftp://x", "server_url"),
}


@pytest.mark.parametrize(("name", "option"), [(name, option) for option in SHARED for name in having(option)])
def test_a_setting_that_is_none_is_refused_by_every_command_that_takes_it(desk: Desk, name: str, option: str) -> None:
    value, key = SHARED[option]
    outcome = desk.run(*name.split(), option, value)
    told = outcome.out + outcome.err
    assert outcome.status == 15, told
    assert key in told
    assert option in told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", ["ingest", "pull", "plan", "hydrate", "build", "manifest log", "manifest status"])
def test_a_book_nobody_named_is_missed_before_a_server_starts_or_anything_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / ".git").mkdir()
    outcome = panaversity(*name.split(), cwd=tmp_path)
    assert outcome.status == 15
    assert outcome.err.startswith(f"error CONFIG_INVALID: {name}: book_id: is not set. Give --book-id")
    assert [path.name for path in tmp_path.iterdir()] == [".git"]


@pytest.mark.parametrize("name", having("--site-dir"))
def test_every_command_that_takes_a_site_reads_its_book_toml(desk: Desk, name: str) -> None:
    desk.site.put("elsewhere/book.toml", "book_id = 7\n")
    desk.site.put("elsewhere/docusaurus.config.js", "")
    outcome = desk.run(*name.split(), "--site-dir", str(desk.place / "elsewhere"))
    assert "elsewhere/book.toml" in outcome.out + outcome.err


@pytest.mark.parametrize("name", [name for name in having("--source-dir") if name not in ("init", "config show")])
def test_every_command_that_reads_the_source_says_when_it_is_not_there(desk: Desk, name: str) -> None:
    outcome = desk.run(*name.split(), "--source-dir", "nowhere")
    assert outcome.status == 12
    assert re.search("nowhere:? .*not (there|exist)", outcome.out + outcome.err)


MORE = {"init": ["--dry-run", "--force", "--source-dir", "docs"], "cache prune": ["--dry-run"]}


@pytest.mark.parametrize("name", list(ALL))
def test_every_command_speaks_every_format_and_data_go_to_stdout(desk: Desk, name: str) -> None:
    words = [*name.split(), *MORE.get(name, ())]
    if name == "report diff":
        desk.run("build")
    plain = desk.run(*words)
    answer = json.loads(desk.run(*words, "--format", "json").out)
    assert next(iter(answer)) == "schema_version"
    for other in ("github", "markdown"):
        assert desk.run(*words, "--format", other).status == plain.status
    loud, quiet = desk.run(*words, "--verbose"), desk.run(*words, "--quiet")
    assert (loud.status, quiet.status) == (plain.status, plain.status)
    assert quiet.err == ""
    assert len(loud.out + loud.err) >= len(plain.out + plain.err)
    assert quiet.out in ("", plain.out), "data that was asked for, or nothing"


ROWS = [
    # after an author's edit in the lesson, one of an agent in README.md, and a new file of the agent
    ("ingest --dry-run", 0, "would be 1 updated"),
    (f"ingest --files docs/{LESSON} --dry-run", 0, f"M {LESSON}"),
    ("ingest --files docs/img --dry-run", 0, "nothing changed"),
    ("ingest --files-from $PLACE/list.txt --dry-run", 0, f"M {LESSON}"),
    ("ingest --files-from $PLACE/list.nul --null --dry-run", 0, f"M {LESSON}"),
    ("ingest --overwrite --dry-run", 0, "2 updated"),
    ("ingest --schema strict", 12, "strict"),
    ("ingest --numbering name-number --dry-run", 0, "moved"),
    ("ingest --max-deletes many", 15, "--max-deletes"),
    ("ingest --via bulk --dry-run", 0, "would be"),
    ("ingest --via pigeon", 2, "--via"),
    ("ingest --accept-rollback --dry-run", 0, "would be"),
    ("ingest --metrics-file $PLACE/figures.prom", 0, "1 updated"),
    ("manifest status --exit-code", 1, ".M README.md"),
    ("manifest status --no-output", 0, ".A 01-Part/new.md"),
    ("manifest status --output-dir $PLACE/other", 0, "never hydrated"),
    ("manifest status --manifest-file $PLACE/other.json", 0, "never hydrated"),
    ("manifest status --schema strict", 12, "strict"),
    ("manifest status --numbering name-number", 0, "are to be named name-number"),
    ("manifest status --accept-rollback", 0, ".M README.md"),
    ("pull --dry-run", 0, "would be 1 added, 1 updated"),
    ("pull --files README.md --dry-run", 0, "would be 1 updated"),
    ("pull --files-from $PLACE/list.txt --dry-run", 0, "nothing to pull"),
    ("pull --files-from $PLACE/list.nul --null --dry-run", 0, "nothing to pull"),
    ("pull --max-deletes many", 15, "--max-deletes"),
    ("pull --via bulk --dry-run", 0, "would be"),
    ("pull --accept-rollback --dry-run", 0, "would be"),
    ("plan", 0, "3 files would change"),
    ("plan --check", 1, "3 files would change"),
    ("plan --explain", 0, "delta: "),
    ("plan --scope assets", 0, f"D {LESSON}"),
    ("plan --tree storage --explain", 0, "full: "),
    ("plan --on-edit backup", 0, "3 files would change"),
    ("plan --offline", 0, "offline: "),
    ("plan --book-id nobody --output-dir $PLACE/o --allow-empty", 0, "unchanged"),
    ("plan --accept-rollback", 0, "3 files would change"),
    ("plan --output-dir $PLACE/other --explain", 0, "nothing was hydrated here"),
    ("plan --manifest-file $PLACE/other.json --explain", 0, "full: "),
    ("manifest diff --name-status", 0, "M\tcontent/README.md"),
    ("manifest diff --name-only -z", 0, "content/01-Part/new.md\0"),
    ("manifest diff --stat", 0, "content/README.md"),
    ("manifest diff --content", 0, "+by an agent"),
    ("manifest diff --exit-code", 1, "3 files differ"),
    ("manifest diff --scope assets", 0, "no differences"),
    ("manifest diff --output-dir $PLACE/other", 2, "is not a hydrated folder"),
    ("manifest diff --manifest-file $PLACE/other.json", 2, "is not a hydrated folder"),
    ("manifest diff --tree storage", 0, "3 files differ"),
    ("manifest diff --numbering name-number", 0, "3 files differ"),
    ("manifest show --tree storage", 0, "content/README.md:"),
    ("manifest show local --output-dir $PLACE/other", 2, "is not a hydrated folder"),
    ("manifest show local --manifest-file $PLACE/other.json", 2, "is not a hydrated folder"),
    ("manifest show --numbering name-number", 0, "content/README.md:"),
    ("manifest export --output $PLACE/SUMS", 0, ""),
    ("manifest export --tree storage", 0, "  content/README.md"),
    ("manifest export --scope assets", 0, "  img/dot.png"),
    ("manifest export local --output-dir $PLACE/other", 2, "is not a hydrated folder"),
    ("manifest export local --manifest-file $PLACE/other.json", 2, "is not a hydrated folder"),
    ("manifest export --numbering name-number", 0, "  README.md"),
    ("hydrate --offline", 0, "offline, no file changed"),
    ("hydrate --scope content --output-dir $PLACE/content", 0, "added"),
    ("hydrate --tree storage --output-dir $PLACE/storage", 0, "added"),
    ("hydrate --manifest-file $PLACE/other.json --output-dir $PLACE/third", 0, "added"),
    ("hydrate --metadata no --on-unavailable fail --output-dir $PLACE/plain", 0, "added"),
    ("hydrate --verify", 0, "1 added, 2 updated"),
    ("hydrate --full-rebuild", 0, "full: "),
    ("hydrate --on-edit ask", 2, "--on-edit"),
    ("hydrate --via bulk", 0, "unchanged"),
    ("hydrate --allow-empty --book-id nobody --output-dir $PLACE/o", 0, "0 files"),
    ("hydrate --accept-rollback", 0, "unchanged"),
    ("hydrate --metrics-file $PLACE/hydrate.prom", 0, "unchanged"),
    ("build --env nowhere", 15, "nowhere"),
    ("build --show-phases", 0, "docusaurus"),
    ("build --dry-run", 0, "nothing was run or written"),
    ("build --until hydrate --explain", 0, "[100%] hydrate: always runs"),
    ("build --rebuild 5 --explain", 0, "docusaurus: rebuild requested"),
    ("build --full-rebuild", 0, "docusaurus: rebuild requested"),
    ("build --no-ingest --on-unavailable fail --until hydrate", 0, "done up to hydrate"),
    ("build --offline --until hydrate", 0, "offline, no file changed"),
    ("build --max-deletes many", 15, "--max-deletes"),
    ("build --overwrite --until ingest", 0, "1 updated"),
    ("build --accept-rollback --until ingest", 0, "done up to ingest"),
    ("build --schema strict", 12, "strict"),
    ("build --numbering name-number --until ingest", 0, "moved"),
    ("build --scope some", 2, "--scope"),
    ("build --on-edit ask", 2, "--on-edit"),
    ("build --time-limit soon", 15, "(flag --time-limit)"),
    ("build --no-remote-cache", 0, "build guide: "),
    ("build --remote-cache", 0, "build guide: "),
    ("build --metrics-file $PLACE/build.prom", 0, "build guide: "),
    ("build --manifest-file $PLACE/build.json --output-dir $PLACE/fourth --until hydrate", 0, "done up to hydrate"),
    ("report diff --exit-code", 1, ""),
    ("config show --origin --source-dir words", 0, "flag --source-dir"),
    ("config show --output-dir words", 0, "words"),
    ("cache list", 0, "sites: "),
    ("cache prune --orphans --dry-run", 0, "cache: "),
    ("cache prune --older-than soon", 2, "--older-than"),
    ("cache prune --max-size big", 2, "--max-size"),
    ("cache prune --all", 0, "removed"),
    ("doctor --output-dir $PLACE/other", 10, "../other"),
    ("init --book-id words --source-dir docs --force --dry-run", 0, "words"),
    ("init --source-dir docs --output-dir words --force --dry-run", 0, "words"),
    ("init --source-dir docs --force --write-gitignore --dry-run", 0, ".gitignore"),
]  # fmt: skip


def test_every_option_does_what_its_help_says(tmp_path: Path) -> None:
    """One project that lives through all of them, in this order."""
    desk = Desk(tmp_path)
    desk.write(LESSON, "# One, by the author")
    desk.server.put(BOOK, "content/README.md", b"# Guide\nby an agent\n")
    desk.server.put(BOOK, "content/01-Part/new.md", b"# New\n")
    (tmp_path / "list.txt").write_text(f"{LESSON}\n")
    (tmp_path / "list.nul").write_text(f"{LESSON}\0")
    wrong = []
    for line, status, said in ROWS:
        outcome = desk.line(line)
        told = outcome.out + outcome.err
        if outcome.status != status or said not in told or "Traceback" in told or outcome.status == 70:
            wrong.append(f"$ {line}\n{told}-- {outcome.status}, not {status} and {said!r}")
    assert not wrong, "\n".join(wrong)
    assert {path.name for path in tmp_path.glob("*.prom")} == {"figures.prom", "hydrate.prom", "build.prom"}
    assert "  README.md\n" in (tmp_path / "SUMS").read_text()


def test_no_option_of_any_command_is_missing_here() -> None:
    generic = {*SHARED, "--site-dir", "--source-dir", "--format", "--verbose", "--quiet"}
    for name, command in ALL.items():
        lines = " ".join(line for line, _, _ in ROWS if re.match(rf"{name}( |$)", line)).split()
        missing = options_of(command) - generic - set(lines)
        assert not missing, (name, missing)
