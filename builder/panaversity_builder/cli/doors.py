"""The phases of a build bound to one server and one set of settings.

Knows how the use cases are called; does not know in which order.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from panaversity_builder.book.hydrate import hydrate, plan_hydrate
from panaversity_builder.book.ingest import ingest
from panaversity_builder.book.ingest_state import IngestState
from panaversity_builder.book.pipeline import BuildOptions, Doors
from panaversity_builder.book.site import Site
from panaversity_builder.book.source import scan
from panaversity_builder.cli.work import hydrate_options, ingest_options
from panaversity_builder.client import Server
from panaversity_builder.config import Config
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest
from panaversity_fs.core.manifest import manifest_hash


def build_options(
    config: Config, environ: Mapping[str, str], rebuild: tuple[str, ...], until: str | None
) -> BuildOptions:
    """What a build needs. Raises ``ConfigInvalid`` without a book id."""
    return BuildOptions(
        book_id=config.require_book("build"),
        site=Site(
            folder=config.site_dir,
            docs=config.output_dir,
            environ=dict(environ),
            variables=config.site_variables,
            time_limit=config.site_time_limit,
        ),
        state_dir=config.state_dir,
        builder_version=metadata.version("panaversity-fs"),
        rebuild=rebuild,
        until=until,
    )


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of a build beyond its settings."""

    overwrite: bool = False
    accept_rollback: bool = False


def doors(server: Server, config: Config, progress: Progress, wishes: Wishes) -> Doors:
    """The four volatile phases as calls."""
    accept = wishes.accept_rollback
    source = ingest_options(config, "build", overwrite=wishes.overwrite, accept_rollback=accept)
    return Doors(
        scan=lambda: source_digest(config.state_dir, source.book_id, config.source_dir, progress),
        ingest=lambda: ingest(server, source, progress),
        plan=lambda: plan_hydrate(server, hydrate_options(config, "build", accept_rollback=accept), progress),
        hydrate=lambda full: hydrate(
            server, hydrate_options(config, "build", full_rebuild=full, accept_rollback=accept), progress
        ),
    )


def source_digest(state_dir: str, book_id: str, source_dir: str, progress: Progress) -> Digest:
    """The source tree as found, ignored files left out; the stat cache that ingest uses is brought up to date."""
    state = IngestState(state_dir, book_id, os.path.abspath(source_dir), progress)
    tree = scan(source_dir, state.marks, progress=progress)
    state.save_marks()
    return manifest_hash({path: file.digest for path, file in tree.files.items()})
