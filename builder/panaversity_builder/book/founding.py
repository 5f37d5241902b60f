"""What ``init`` proposes for a site: a ``book.toml``, lines for ``.gitignore``, and what to do next.

PURE: a survey and wishes in, a proposal out. Knows what settings mean; does not read or write the disk.
"""

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from panaversity_builder.book.inspection.survey import Folder, Survey
from panaversity_builder.book.mapping import detect_numbering
from panaversity_fs.core.errors import ConfigInvalid, SourceRefused

OUTPUT: Final = "book"
STATE: Final = ".panaversity/"
_MANAGERS = {
    "package-lock.json": "npm", "npm-shrinkwrap.json": "npm", "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn",
    "bun.lock": "bun",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the author said; None leaves the choice to what is found. Folders are absolute."""

    book_id: str | None = None
    source_dir: str | None = None
    output_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be written, what was found (sentences), and what is left to the author (``todo``)."""

    book_id: str
    source_dir: str
    output_dir: str
    book_toml: str
    ignore_lines: tuple[str, ...]
    found: tuple[str, ...]
    todo: tuple[str, ...]


def propose(site: Survey, wishes: Wishes, source: Folder | None = None) -> Proposal:
    """The proposal for a site. ``source`` is the folder the author named, as it was found.

    Raises ``ConfigInvalid`` (exit 15) when no folder with lessons is found, or source and output are one another's.
    """
    output = wishes.output_dir or os.path.join(site.folder, OUTPUT)
    docs = source or _source(site, output)
    if not docs.files:
        raise ConfigInvalid(
            "init", docs.path, "holds no lessons", "Name the folder with the author's docs: --source-dir"
        )
    if _within(docs.path, output) or _within(output, docs.path):
        raise ConfigInvalid(
            "init", output, f"and the source {docs.path} lie in one another", "Name two folders: --output-dir"
        )
    book_id = wishes.book_id or chosen_id(site)
    numbering, doubt = _numbering(docs)
    return Proposal(
        book_id,
        docs.path,
        output,
        _book_toml(site.folder, book_id, docs.path, output, numbering),
        _missing_ignores(site, output),
        tuple(_found(site, docs, numbering)),
        tuple(_todo(site, output, doubt)),
    )


def chosen_id(site: Survey) -> str:
    """A book id from the package's name, the site's title or the folder's name: the first that can be made legal."""
    names = (site.package.get("name"), site.text.title, os.path.basename(site.folder))
    return next((made for name in names if isinstance(name, str) and (made := legal_id(name))), "book")


def legal_id(name: str) -> str | None:
    """The name as a book id (``[a-z0-9][a-z0-9-]{1,62}``); None when too little is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].rstrip("-")
    return made if len(made) >= 2 else None


def _source(site: Survey, output: str) -> Folder:
    """The candidate with most lessons that no hydrate fills."""
    fitting = [one for one in site.candidates if one.files and not one.hydrated and one.path != output]
    if not fitting:
        places = ", ".join(os.path.relpath(one.path, site.folder) for one in site.candidates) or "docs"
        raise ConfigInvalid(
            "init", site.folder, f"holds no folder with lessons (looked in: {places})",
            "Name the folder with the author's docs: --source-dir", key="source_dir",
        )  # fmt: skip
    return max(fitting, key=lambda one: one.lessons)


def _numbering(docs: Folder) -> tuple[str | None, str | None]:
    """How folders are numbered as a setting, or why that cannot be told."""
    try:
        return detect_numbering(docs.files).value, None
    except SourceRefused as doubt:
        return None, f"{doubt.problem}. {doubt.hint}"


def _book_toml(folder: str, book_id: str, source: str, output: str, numbering: str | None) -> str:
    hint = f'# numbering = "{numbering}"' if numbering else '# numbering = "number-name"  # or "name-number": say which'
    return "".join(
        line + "\n"
        for line in (
            "# Settings of `panaversity` for this site. Paths are relative to this file.",
            f"book_id = {toml_text(book_id)}",
            f"source_dir = {toml_text(_relative(source, folder))}  # the author's lessons; ingest reads them",
            f"output_dir = {toml_text(_relative(output, folder))}  # hydrate fills it; the docs plugin reads it",
            'site_dir = "."',
            "# How folders are numbered is kept by the book, from its first ingest on; found here:",
            hint,
            "# Without a server everything is kept in .panaversity. To work with a team:",
            '# server_url = "https://books.example.org"',
        )
    )


def toml_text(text: str) -> str:
    """A TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _within(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _missing_ignores(site: Survey, output: str) -> tuple[str, ...]:
    """Lines that .gitignore lacks; an output folder outside of the site is somebody else's to ignore."""
    wanted = [_relative(output, site.folder) + "/"] if _within(output, site.folder) else []
    have = {line.strip("/") for line in site.ignores}
    return tuple(line for line in (*wanted, STATE) if line.strip("/") not in have)


def _found(site: Survey, docs: Folder, numbering: str | None) -> Sequence[str]:
    version = f"Docusaurus {site.installed}" if site.installed else "Docusaurus, not installed"
    manager = _MANAGERS.get(os.path.basename(site.lockfile or ""), "no lockfile")
    main = site.text.main
    reads = "a folder its text does not tell" if main is None or main.path is None else main.path
    route = "" if main is None or main.route is None else f" at /{main.route.strip('/')}"
    return (
        f"site: {os.path.basename(site.config or '')} ({version}, {manager})",
        f"docs plugin: reads {reads}{route}",
        f"source: {_relative(docs.path, site.folder)} ({len(docs.files)} files, {docs.lessons} lessons)",
        f"numbering: {numbering or 'cannot be told'}",
    )


def _todo(site: Survey, output: str, doubt: str | None) -> Sequence[str]:
    name, here = os.path.basename(site.config or ""), _relative(output, site.folder)
    main = site.text.main
    todo = [f"numbering: {doubt}"] if doubt else []
    if main is None or main.path is None:
        todo.append(f"in {name}, see that the docs plugin reads {here}: path: '{here}'")
    elif os.path.normpath(os.path.join(site.folder, main.path)) != output:
        todo.append(f"in {name}, let the docs plugin read {here}: path: '{here}' instead of '{main.path}'")
    return todo
