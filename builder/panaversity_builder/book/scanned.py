"""The source tree of one book as an ingest would scan it, and what it is as a whole.

Knows the scan and the stat cache that belongs to it; does not know what an ingest makes of the tree.
"""

import json

from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.source import SourceTree, scan
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest, digest_of
from panaversity_fs.core.manifest import manifest_hash


def scanned(
    state_dir: str, book_id: str, source_dir: str, progress: Progress = SILENT, *, read_only: bool = False
) -> SourceTree:
    """The tree. The stat cache of that ingest is brought up to date unless ``read_only``, so the next look reads only
    what changed. Raises ``SourceRefused``.
    """
    state = IngestState(state_dir, book_id, source_dir, progress, read_only=read_only)
    tree = scan(source_dir, state.marks, progress=progress)
    state.save_marks()
    return tree


def files_digest(tree: SourceTree) -> Digest:
    """The digest of its files, ignored and refused ones left out."""
    return manifest_hash(tree.digests)


def judged_digest(tree: SourceTree) -> Digest:
    """The digest of everything an ingest judges: files with their digests, and names it would refuse.

    The same digest, the same tree, and nothing to send.
    """
    refused = sorted((one.source, one.reason) for one in tree.refused)
    return digest_of(json.dumps([sorted(tree.digests.items()), refused]).encode())
