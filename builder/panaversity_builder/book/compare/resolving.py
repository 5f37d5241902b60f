"""From a word to the manifest it means, wherever that lies: a server, a hydrated folder, a file, a memory.

A server is asked only where nothing else can say. Whatever text comes, its hash is computed here and never believed.
Knows places; does not know terminals, and compares what was recorded, not the files themselves.
"""

import os
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from panaversity_builder.book.compare.operands import (
    LOCAL,
    NOTHING,
    REMOTE,
    SHORTEST,
    BookOnServer,
    Operand,
    operand_of,
    unknown,
)
from panaversity_builder.book.compare.recorded import Recorded, known_texts, load_file, load_folder
from panaversity_builder.book.compare.texts import placed
from panaversity_builder.book.hydrate.validate import derive
from panaversity_builder.client import BOOK_UNKNOWN, Server
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, is_digest, short
from panaversity_fs.core.errors import HashMismatch, InvalidArgument, NotFound
from panaversity_fs.core.manifest import parse
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.paths import require_book_id, shown

_FOLDER = LOCAL + ":"
_PREFIX = re.compile(rf"[0-9a-f]{{{SHORTEST},63}}")


class Servers(Protocol):
    """The servers a comparison may speak to; each is connected when it is asked for."""

    def configured(self) -> Server:
        """The one in the settings, else the embedded one."""

    def at(self, url: str) -> Server:
        """The one at this address. A token goes to the configured address only."""

    def shown(self, url: str) -> str:
        """The address as it may be printed: without credentials. Raises ``ConfigInvalid`` for one that is none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What words without an address of their own refer to. Folders are absolute.

    ``numbering`` and ``tree`` (None: nobody said) are how a list of source names is to be read.
    """

    output_dir: str
    state_dir: str
    book_id: str | None = None
    manifest_file: str | None = None
    numbering: Numbering | None = None
    tree: str | None = None


def needs_server(word: str) -> bool:
    """True where a word can only mean what a server says now."""
    return word == REMOTE or _is_url(word)


def _is_url(word: str) -> bool:
    return "://" in word


class Resolver:
    """Finds operands. Raises ``NotFound`` and ``InvalidArgument`` (exit 2) for words that mean none, ``HashMismatch``
    (exit 13) for a manifest that is damaged, ``InvalidPath`` (12) for one that names what no book can hold."""

    def __init__(self, surroundings: Surroundings, servers: Servers) -> None:
        self._around = surroundings
        self._servers = servers

    def operands(self, *words: str) -> list[Operand]:
        """The operands of these words. A list of source names takes the numbering of another one of them."""
        found = [self._find(word) for word in words]
        numbering = self._around.numbering or next((one.numbering for one in found if one.numbering), None)
        return [self._finished(word, one, numbering) for word, one in zip(words, found, strict=True)]

    def book(self) -> BookOnServer:
        """The configured book. Raises ``InvalidArgument`` when none is named."""
        if self._around.book_id is None:
            raise InvalidArgument("manifest", REMOTE, "needs a book", "Give --book-id, or set PANAVERSITY_BOOK_ID")
        return BookOnServer(self._servers.configured(), self._around.book_id)

    def _finished(self, word: str, one: "Operand | Recorded", numbering: Numbering | None) -> Operand:
        if isinstance(one, Operand):
            return one
        entries = placed(one.entries, numbering, self._around.tree, word) if one.by_name else one.entries
        return operand_of(shown(word), entries, one.place, one.numbering)

    def _find(self, word: str) -> "Operand | Recorded":
        if word == NOTHING:
            return operand_of(NOTHING, {})
        if word == REMOTE:
            return _current(self.book(), REMOTE)
        if word == LOCAL or word.startswith(_FOLDER):
            return self._folder(word)
        if _is_url(word):
            return self._elsewhere(word)
        if os.path.isdir(word):
            return load_folder(word, None, word)
        if os.path.exists(word):
            return self._file(word)
        if is_digest(word):
            return self._named(Digest(word))
        if _PREFIX.fullmatch(word):
            return self._abbreviated(word)
        raise unknown(word, "is neither a file nor a folder nor a manifest hash nor another operand")

    def _folder(self, word: str) -> Recorded:
        folder = word.removeprefix(_FOLDER) if word != LOCAL else self._around.output_dir
        ours = os.path.abspath(folder) == os.path.abspath(self._around.output_dir)
        return load_folder(folder, self._around.manifest_file if ours else None, word)

    def _file(self, word: str) -> "Operand | Recorded":
        found = load_file(word)
        return self._named(found) if isinstance(found, str) else found

    def _elsewhere(self, word: str) -> Operand:
        url, mark, book_id = word.rpartition("#")
        if not mark or not url or urlsplit(url).query:
            raise InvalidArgument(
                "manifest",
                shown(word.partition("?")[0].rpartition("@")[2]),
                "names no book",
                "Say URL#BOOK, as http://host:8000#guide",
            )
        name = f"{self._servers.shown(url)}#{require_book_id(book_id, 'manifest')}"
        return _current(BookOnServer(self._servers.at(url), book_id), name)

    def _named(self, manifest: Digest) -> "Operand | Recorded":
        """The manifest of this hash: the empty one, one remembered here, else one the server told somebody."""
        if manifest == EMPTY:
            return operand_of(manifest, {})
        for found in self._remembered():
            if found.manifest_hash == manifest:
                return found
        if self._around.book_id is None:
            raise unknown(manifest, "is the hash of no manifest at hand, and there is no book to ask for it")
        book = self.book()
        try:
            text = book.server.manifest_text(book.book_id, manifest)
        except NotFound as fault:
            raise unknown(manifest, f"is the hash of no manifest at hand, and {fault.problem}") from fault
        if digest_of(text) != manifest:
            raise _untrue(short(manifest))
        return operand_of(manifest, parse(text), book)

    def _abbreviated(self, prefix: str) -> "Operand | Recorded":
        found = {one.manifest_hash: one for one in self._remembered() if one.manifest_hash.startswith(prefix)}
        if EMPTY.startswith(prefix):
            return operand_of(EMPTY, {})
        if not found:
            raise unknown(prefix, "begins no manifest hash known on this machine; a server knows whole hashes only")
        if len(found) > 1:
            raise unknown(prefix, f"begins {len(found)} manifest hashes: {', '.join(sorted(found))}")
        return next(iter(found.values()))

    def _remembered(self) -> list[Recorded]:
        around = self._around
        return known_texts(around.output_dir, around.manifest_file, around.state_dir, around.book_id)


def _current(book: BookOnServer, name: str) -> Operand:
    """The book as it is now; one request, two for a book whose plan is truncated."""
    plan = book.server.plan_build(book.book_id)
    if plan.warns(BOOK_UNKNOWN):
        raise NotFound(
            "manifest", name if name != REMOTE else book.book_id, "no such book on this server",
            "Check --book-id and PANAVERSITY_MCP_URL",
        )  # fmt: skip
    derived = None if plan.truncated else derive(plan, {})
    text = derived.text if derived else book.server.manifest_text(book.book_id, plan.manifest_hash)
    if digest_of(text) != plan.manifest_hash:
        raise _untrue(name)
    return operand_of(name, derived.entries if derived else parse(text), book, plan.numbering)


def _untrue(name: str) -> HashMismatch:
    return HashMismatch(
        "manifest", name, "the server answered another text", "Check that server with panaversity-fs fsck"
    )
