"""The phases of a build bound to one server and one set of settings.

Knows how the use cases are called; does not know in which order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from panaversity_builder.book.hydrate import hydrate, plan_hydrate
from panaversity_builder.book.ingest import ingest
from panaversity_builder.book.pipeline import BuildOptions, Doors
from panaversity_builder.book.scanned import files_digest, scanned
from panaversity_builder.book.site import Site, site_environ
from panaversity_builder.cli.work import blob_cache, hydrate_options, ingest_options, wants_metadata
from panaversity_builder.client import Client, Server, SiteCache
from panaversity_builder.config import Config
from panaversity_builder.progress import Progress


def build_options(
    config: Config, environ: Mapping[str, str], rebuild: tuple[str, ...], until: str | None, *, ingesting: bool = True
) -> BuildOptions:
    """What a build needs. Raises ``ConfigInvalid`` without a book id."""
    return BuildOptions(
        book_id=config.require_book("build"),
        site=Site(
            folder=config.site_dir,
            docs=config.output_dir,
            environ=site_environ(environ, config.site_variables),
            variables=config.site_variables,
            time_limit=config.site_time_limit,
            files=config.site_files,
            generated=config.site_generated,
            source=config.source_dir,
        ),
        state_dir=config.state_dir,
        builder_version=metadata.version("panaversity-fs"),
        rebuild=rebuild,
        until=until,
        metadata=wants_metadata(config),
        ingesting=ingesting,
    )


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of a build beyond its settings."""

    overwrite: bool = False
    accept_rollback: bool = False


def doors(server: Server, config: Config, progress: Progress, wishes: Wishes) -> Doors:
    """The four volatile phases as calls."""
    accept = wishes.accept_rollback
    cache = blob_cache(config, progress)
    source = ingest_options(config, "build", overwrite=wishes.overwrite, accept_rollback=accept)
    return Doors(
        scan=lambda: files_digest(scanned(config.state_dir, source.book_id, config.source_dir, progress)),
        ingest=lambda: ingest(server, source, progress),
        plan=lambda: plan_hydrate(server, hydrate_options(config, "build", accept_rollback=accept), progress, cache),
        hydrate=lambda full: hydrate(
            server, hydrate_options(config, "build", full_rebuild=full, accept_rollback=accept), progress, cache=cache
        ),
        site_cache=site_cache(server, config),
    )


def site_cache(server: Server, config: Config) -> SiteCache | None:
    """Where the team's built sites are; None where nobody wants them or there is no team.

    The embedded server has one project's builders only, and they keep copies of what they built beside its store:
    sending them there too would pack every site to lie twice on the same disk. A server of a team that happens to run
    on this machine is reached by its address, and asked.
    """
    if config.via == "tools" or not config.remote_cache or config.server_url is None or config.offline:
        return None
    if not isinstance(server, Client):
        return None
    return server.site_cache(config.remote_cache_timeout)
