"""The door of hydrate: nobody else works in the folder, and is there anything to do? Only then is ``run`` loaded.

Knows locks and the quick way; what happens beyond them is ``run``'s.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate import state as states
from panaversity_builder.book.hydrate.failures import told
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.hydrate.glance import unchanged
from panaversity_builder.book.hydrate.options import Clock, HydrateOptions, HydrateResult
from panaversity_builder.book.hydrate.place import require_place_for_output
from panaversity_builder.book.hydrate.recall import require_possible
from panaversity_builder.book.hydrate.state import StateFiles
from panaversity_builder.client import Server
from panaversity_builder.progress import SILENT, Progress


def hydrate(
    server: Server,
    options: HydrateOptions,
    progress: Progress = SILENT,
    clock: Clock = lambda: datetime.now(UTC),
    cache: BlobCache | None = None,
    *,
    glance: bool = False,
) -> HydrateResult:
    """Make the output folder equal the book's current manifest (FR-101 … FR-107, P7, P8, P9).

    Raises ``NotFound`` for a book nobody created, ``LocalEdits``, ``NoSpace``, ``OutputLocked``, ``InvalidPath`` and
    ``HashMismatch`` (an unsafe or untrue plan), ``ServerUnreachable``. Whatever is raised, the folder holds no torn
    file and running it again goes on. ``cache`` is used before the server is asked for bytes, and keeps what came.
    With ``options.offline`` the server is never asked for anything. ``glance`` takes the quick way where there is
    nothing to do; the result has no ``target`` then.
    """
    require_place_for_output(options)
    require_possible(options)
    with told(options.output_dir):
        os.makedirs(options.output_dir, exist_ok=True)
        with (
            Folder.open(options.output_dir) as folder,
            states.locked(folder, f"process {os.getpid()} on {os.uname().nodename}") as began_ns,
        ):
            before, files = replace(server.traffic), StateFiles(folder, options.manifest_file)
            seen = unchanged(server, options, files, folder, progress, cache) if glance else None
            if isinstance(seen, HydrateResult):
                return seen
            from panaversity_builder.book.hydrate.run import Run

            return Run(server, options, progress, clock, folder, files, began_ns, cache).run(before, seen, glance)
