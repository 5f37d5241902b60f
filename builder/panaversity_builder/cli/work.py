"""From settings to the options of the use cases, for the commands that share them.

Knows both vocabularies; runs nothing. Each command loads its own use case only.
"""

from typing import TYPE_CHECKING, cast

from panaversity_builder.config import Config
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

if TYPE_CHECKING:
    from panaversity_builder.blob_cache import BlobCache
    from panaversity_builder.book.hydrate import HydrateOptions
    from panaversity_builder.book.hydrate.options import Tree
    from panaversity_builder.book.hydrate.reconcile import OnEdit
    from panaversity_builder.book.ingest import IngestOptions, Via
    from panaversity_builder.book.pull import PullOptions
    from panaversity_builder.book.selection import Selection
    from panaversity_builder.client import Scope
    from panaversity_builder.progress import Progress


def ingest_options(
    config: Config,
    operation: str,
    *,
    dry_run: bool = False,
    overwrite: bool = False,
    accept_rollback: bool = False,
    files: "Selection | None" = None,
) -> "IngestOptions":
    """What an ingest needs; ``files`` None: all. Raises ``ConfigInvalid`` without a book id."""
    from panaversity_builder.book.ingest import IngestOptions
    from panaversity_builder.book.selection import EVERYTHING

    return IngestOptions(
        book_id=config.require_book(operation),
        source_dir=config.source_dir,
        state_dir=config.state_dir,
        dry_run=dry_run,
        max_deletes=config.max_deletes,
        overwrite=overwrite,
        schema=Schema(config.schema) if config.schema else None,
        numbering=Numbering(config.numbering) if config.numbering else None,
        accept_rollback=accept_rollback,
        files=EVERYTHING if files is None else files,
        via=cast("Via", config.via),
    )


def pull_options(
    config: Config, operation: str, *, dry_run: bool, accept_rollback: bool, files: "Selection"
) -> "PullOptions":
    """What a pull needs. Raises ``ConfigInvalid`` without a book id."""
    from panaversity_builder.book.pull import PullOptions

    return PullOptions(
        book_id=config.require_book(operation),
        source_dir=config.source_dir,
        state_dir=config.state_dir,
        dry_run=dry_run,
        files=files,
        max_deletes=config.max_deletes,
        accept_rollback=accept_rollback,
        via=cast("Via", config.via),
    )


def hydrate_options(
    config: Config,
    operation: str,
    *,
    full_rebuild: bool = False,
    verify: bool = False,
    allow_empty: bool = False,
    accept_rollback: bool = False,
) -> "HydrateOptions":
    """What a hydrate needs. Raises ``ConfigInvalid`` without a book id."""
    from panaversity_builder.book.hydrate import HydrateOptions

    return HydrateOptions(
        book_id=config.require_book(operation),
        output_dir=config.output_dir,
        manifest_file=config.manifest_file,
        scope=cast("Scope", config.scope),
        full_rebuild=full_rebuild,
        tree=cast("Tree", config.tree),
        allow_empty=allow_empty,
        verify=verify,
        on_edit=cast("OnEdit", config.on_edit),
        source_dir=config.source_dir,
        accept_rollback=accept_rollback,
        offline=config.offline,
        server_name=server_name(config),
        metadata=wants_metadata(config),
    )


def wants_metadata(config: Config) -> bool:
    """Whether the site shows when lessons were last written: as set, else as its configuration's text tells."""
    from panaversity_builder.book.inspection.configuration import shows_last_written

    return config.metadata == "yes" or (config.metadata == "auto" and shows_last_written(config.site_dir))


def server_name(config: Config) -> str:
    """Under what name things of this server are remembered: its address without a login, or the project's own one."""
    if config.server_url is None:
        return f"embedded {config.root}"
    scheme, _, rest = config.server_url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def blob_cache(config: Config, progress: "Progress") -> "BlobCache":
    """The blobs that this machine keeps for all checkouts; nothing is touched yet."""
    from panaversity_builder.blob_cache import BlobCache, default_folder

    return BlobCache(config.cache_dir or default_folder(), config.cache_size, progress.warn)
