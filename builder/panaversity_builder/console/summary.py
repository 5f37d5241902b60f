"""The result of any command as one page of Markdown: a job summary, a comment, a note (FEATURES 1).

Made from the machine format alone, so a command that answers one has a summary too: its single values are a table, its
lists are listed, its phases are a table of their own. Pure; does not know which commands there are.
"""

from collections.abc import Iterator, Mapping, Sequence

from panaversity_builder.console.markdown import Page, cell, code, listing, table
from panaversity_builder.console.texts import size
from panaversity_fs.core.errors import PanaversityError

Body = Mapping[str, object]

TOP = 20
"""Items shown of a list before the rest is folded away."""
SUMMARY_BYTES = 1 << 20
"""What a job summary may hold in all."""
COMMENT_BYTES = 65_000
"""Fits a comment on a pull request (65,536 characters)."""
_MARKS = {"added": "A", "updated": "M", "modified": "M", "deleted": "D"}
_FIGURES = (
    "added", "updated", "modified", "deleted", "renamed", "moved", "unchanged", "diverged", "ignored",
    "hydrate_files_downloaded", "hydrate_bytes_transferred", "files_to_download", "bytes_to_download",
)  # fmt: skip
"""Stand side by side in the first table; every other value is a row of the second."""
_NO_NEWS = frozenset({"schema_version", "book_id", "command", "status", "numbering", "requests", "versions"})


def summary(command: str, body: Body, limit: int) -> str:
    """A page of at most ``limit`` bytes about a command that answered ``body``; headings begin at the third level."""
    page = Page(limit)
    if page.add(f"### {_called(command)}{_of_book(body)}"):
        _fill(page, body)
    return page.text()


def failure(command: str, error: PanaversityError, body: Body, limit: int) -> str:
    """A page about a command that failed, with what the error lists and what is known of the run (may be empty)."""
    page = Page(limit)
    if page.add(f"### {_called(command)}{_of_book(body)}: failed"):
        page.add("", f"{code(error.code)}, exit status {error.exit_status}: {code(str(error))}")
        _fill(page, {**body, **{k: v for k, v in error.details.items() if isinstance(v, list | tuple)}})
    return page.text()


def _called(command: str) -> str:
    return f"panaversity {command}".rstrip()


def _of_book(body: Body) -> str:
    return f": {code(str(body['book_id']))}" if body.get("book_id") else ""


def _fill(page: Page, body: Body) -> None:
    counts = {name: value for name, value in body.items() if name in _FIGURES and _is_number(value)}
    if counts:
        table(page, list(map(_words, counts)), iter([[_figure(name, value) for name, value in counts.items()]]))
    rest = [row for name, value in body.items() if name not in counts for row in _values(name, value)]
    if rest:
        table(page, ["", ""], iter(rest))
    phases = body.get("phases")
    if isinstance(phases, list | tuple) and phases:
        table(page, ["phase", "state", "seconds", "reason"], map(_phase, phases))
    lists = [(n, v) for n, v in body.items() if isinstance(v, list | tuple) and v and n != "phases"]
    for left, (name, items) in zip(range(len(lists), 0, -1), lists, strict=True):
        listing(page, _words(name), _Items(items), TOP, page.left // left)


class _Items(Sequence[str]):
    """A list as Markdown, item by item as it is asked for: most of a long one never is."""

    def __init__(self, items: Sequence[object]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int | slice) -> "str | _Items":  # type: ignore[override]
        return _Items(self._items[index]) if isinstance(index, slice) else _item(self._items[index])


def _values(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The single values behind a name as rows of a table: one, those of a mapping, or none."""
    if name in _NO_NEWS:
        return
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _values(f"{name} {inner}", one)
    elif isinstance(value, bool):
        yield _words(name), "yes" if value else "no"
    elif isinstance(value, int | float):
        yield _words(name), _figure(name, value)
    elif isinstance(value, str) and value:
        yield _words(name), cell(value)


def _figure(name: str, value: object) -> str:
    if "bytes" in name and isinstance(value, int | float):
        return size(value)
    return f"{value:.1f} s" if "seconds" in name else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(name: str) -> str:
    """A field's name as words. Names are ours, but a mapping may be keyed by anything."""
    words = name.replace("_", " ")
    return words if words.replace(" ", "").isalnum() else cell(words)


def _phase(phase: object) -> tuple[str, ...]:
    one = phase if isinstance(phase, Mapping) else {}
    seconds = one.get("seconds")
    took = f"{seconds:.1f}" if isinstance(seconds, int | float) else "–"
    return cell(str(one.get("name", ""))), cell(str(one.get("state", ""))), took, cell(str(one.get("reason") or ""))


def _item(item: object) -> str:
    """One item of a list: ``A path``, ``path: reason``, or a text."""
    if not isinstance(item, Mapping):
        return code(str(item))
    path, old = item.get("source") or item.get("path") or item.get("name"), item.get("from")
    mark, reason = item.get("status") or _MARKS.get(str(item.get("change"))), item.get("reason") or item.get("code")
    if path is None:
        return code(", ".join(f"{name} {value}" for name, value in item.items()))
    said = [*([code(str(mark))] if mark else []), *([f"{code(str(old))} →"] if old else []), code(str(path))]
    return " ".join(said) + (f": {code(str(reason))}" if reason else "")
