"""The audit trees of the books asked for last, kept because a consistency proof needs all entry hashes.

Knows when a kept tree still belongs to the log; does not know what is proved with it. A tree is brought forward by
reading what came since; one that does not lead to the root in the book's row is read anew, and if that does not help
the log itself was tampered with.
"""

from collections import OrderedDict

import anyio

from panaversity_fs.core.errors import ChainBroken
from panaversity_fs.core.merkle import Tree, root_of
from panaversity_fs.store.audit_rows import read_hashes
from panaversity_fs.store.books import BookRow
from panaversity_fs.store.database import Connection
from panaversity_fs.store.uncut import in_thread

_KEPT = 4
_KEPT_ENTRIES = 1_000_000
"""Longer logs (64 MB of tree) are read anew each time."""
_STEP = 20_000
"""Entries read at once: what one step holds up others by."""


class TreeCache:
    """Trees by book. One is made at a time."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[str, int], Tree] = OrderedDict()
        self._lock = anyio.Lock()

    async def load(self, connection: Connection, book: BookRow, operation: str) -> Tree:
        """A tree that begins with exactly this row's log. Raises ``ChainBroken`` when the stored log does not lead to
        the root in the row."""
        key = (book.book_id, book.incarnation)
        async with self._lock:
            tree = self._trees.pop(key, None)
            if tree is None or not await _fits(connection, book, tree):
                tree = Tree()
                if not await _fits(connection, book, tree):
                    raise ChainBroken(
                        operation, book.book_id, "the audit log is not the one its tree was made of",
                        "Run panaversity-fs audit verify, and restore from a backup you trust", book_id=book.book_id,
                    )  # fmt: skip
            if tree.size <= _KEPT_ENTRIES:
                self._trees[key] = tree
            if len(self._trees) > _KEPT:
                self._trees.popitem(last=False)
        return tree


async def _fits(connection: Connection, book: BookRow, tree: Tree) -> bool:
    """Bring the tree forward to the row's length; True when it leads to the row's root then."""
    try:
        while tree.size < book.chain_seq:
            to = min(tree.size + _STEP, book.chain_seq)
            hashes = await read_hashes(connection, book.book_id, book.incarnation, tree.size, to)
            if len(hashes) != to - tree.size:
                return False
            await in_thread(tree.append, hashes)
        return tree.root(book.chain_seq) == root_of(book.chain_edge)
    except (ValueError, TypeError):
        return False  # what is stored there is no hash
