"""From settings to the options of the use cases, for the commands that share them.

Knows both vocabularies; runs nothing. Each command loads its own use case only.
"""

from typing import TYPE_CHECKING, cast

from panaversity_builder.config import Config
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema

if TYPE_CHECKING:
    from panaversity_builder.book.hydrate import HydrateOptions
    from panaversity_builder.book.hydrate.options import Tree
    from panaversity_builder.book.hydrate.reconcile import OnEdit
    from panaversity_builder.book.ingest import IngestOptions
    from panaversity_builder.client import Scope


def ingest_options(
    config: Config, operation: str, *, dry_run: bool = False, overwrite: bool = False, accept_rollback: bool = False
) -> "IngestOptions":
    """What an ingest needs. Raises ``ConfigInvalid`` without a book id."""
    from panaversity_builder.book.ingest import IngestOptions

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
    )
