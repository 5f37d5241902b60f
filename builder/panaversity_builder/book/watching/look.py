"""What a source tree is right now, in one text: the same text, the same tree, and nothing to send.

Knows the scan and its stat cache; does not know what an ingest makes of the tree.
"""

import json
import os

from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.source import scan
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest, digest_of


def look(state_dir: str, book_id: str, source_dir: str, progress: Progress) -> Digest:
    """The digest of everything an ingest judges: files with their digests, and names it would refuse.

    Brings the stat cache of that ingest up to date, so the next look reads only what changed. Raises ``SourceRefused``.
    """
    state = IngestState(state_dir, book_id, os.path.abspath(source_dir), progress)
    tree = scan(source_dir, state.marks, progress=progress)
    state.save_marks()
    files = sorted((path, file.digest) for path, file in tree.files.items())
    refused = sorted((one.source, one.reason) for one in tree.refused)
    return digest_of(json.dumps([files, refused]).encode())
