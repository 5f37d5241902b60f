"""What a hydrate would do now, told and not done: the same questions and decisions, no lock and no write.

Knows the steps that only look; does not know how anything is changed.
"""

import contextlib
from collections.abc import Collection

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate import state as states
from panaversity_builder.book.hydrate.failures import told
from panaversity_builder.book.hydrate.folder import Folder
from panaversity_builder.book.hydrate.glance import Asked, Unchanged, glance_at
from panaversity_builder.book.hydrate.options import HydrateOptions, HydratePreview
from panaversity_builder.book.hydrate.place import require_place_for_output
from panaversity_builder.book.hydrate.planning import Ground, ask, ask_nobody
from panaversity_builder.book.hydrate.scene import Scene, changes_of, look, mode_of
from panaversity_builder.book.hydrate.staging import Staging
from panaversity_builder.book.hydrate.state import State, StateFiles
from panaversity_builder.client import Server
from panaversity_builder.progress import SILENT, Progress
from panaversity_fs.core.digest import Digest


def plan_hydrate(
    server: Server,
    options: HydrateOptions,
    progress: Progress = SILENT,
    cache: BlobCache | None = None,
    *,
    glance: bool = False,
) -> HydratePreview:
    """What ``hydrate`` would do now, and why it would be full if it would; writes nothing and takes no lock.

    ``glance`` takes the quick way where there is nothing to do.
    """
    require_place_for_output(options)
    with told(options.output_dir), contextlib.ExitStack() as opened:
        folder, state, staged, asked = None, State(), frozenset[Digest](), None
        with contextlib.suppress(FileNotFoundError):
            folder = opened.enter_context(Folder.open(options.output_dir))
        if folder is not None and states.exists(folder):
            files = StateFiles(folder, options.manifest_file)
            seen = glance_at(server, options, files, folder, progress) if glance else None
            if isinstance(seen, Unchanged):
                return _nothing(seen, options)
            asked, state = seen, files.read()
            staged = Staging(folder).names()
        ground = ground_for(server, options, state, progress, cache, asked)
        return _preview(ground, look(folder, ground, state, options, progress), options, staged, cache)


def ground_for(
    server: Server,
    options: HydrateOptions,
    state: State,
    progress: Progress,
    cache: BlobCache | None,
    asked: Asked | None = None,
) -> Ground:
    """Where a run stands: by the server's answer, or offline by what it said last."""
    if not options.offline:
        return ask(server, options, state, progress, asked)
    return ask_nobody(options, state, cache or BlobCache("", 0))


def _nothing(seen: Unchanged, options: HydrateOptions) -> HydratePreview:
    """The preview of a hydrate that has nothing to do."""
    identity = seen.told.identity
    return HydratePreview(
        book_id=options.book_id, manifest_hash=identity.manifest_hash, mode="unchanged", reason="", changes=(),
        unchanged=seen.glance.files, files_to_download=0, bytes_to_download=0, obstacles=(),
        output_dir=options.output_dir, numbering=identity.numbering, revision=seen.plan.revision,
    )  # fmt: skip


def _preview(
    ground: Ground, scene: Scene, options: HydrateOptions, staged: Collection[Digest], cache: BlobCache | None
) -> HydratePreview:
    wanted = {put.new for put in scene.decisions.puts}
    lacking = wanted - scene.in_tree(wanted).keys() - set(staged)
    cached = {digest for digest in lacking if cache is not None and cache.size(digest) is not None}
    mode, reason = mode_of(ground, scene)
    return HydratePreview(
        book_id=options.book_id,
        manifest_hash=ground.identity.manifest_hash,
        mode=mode,
        reason=reason,
        changes=changes_of(scene.decisions),
        unchanged=len(scene.decisions.keep),
        files_to_download=len(lacking - cached),
        bytes_to_download=sum(ground.sizes.get(digest, 0) for digest in lacking - cached),
        files_from_cache=len(cached),
        obstacles=scene.obstacles,
        output_dir=options.output_dir,
        numbering=ground.identity.numbering,
        revision=ground.revision,
        as_of=ground.as_of,
    )
