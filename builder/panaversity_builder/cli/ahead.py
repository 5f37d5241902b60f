"""A build looked ahead at: the previews of its phases bound to one server and one set of settings.

Knows how the previews are called; decides nothing and writes nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from panaversity_builder.book.foresight import Outlook
from panaversity_builder.book.hydrate import plan_hydrate
from panaversity_builder.book.ingest import ingest
from panaversity_builder.book.scanned import scanned
from panaversity_builder.cli.doors import Wishes
from panaversity_builder.cli.work import blob_cache, hydrate_options, ingest_options
from panaversity_builder.client import Server
from panaversity_builder.config import Config
from panaversity_builder.console import Console
from panaversity_builder.embedded import STORE
from panaversity_builder.progress import Progress
from panaversity_fs.core.digest import Digest


@contextmanager
def asked(config: Config, console: Console) -> Iterator[Server | None]:
    """The server to ask; None for a project whose own store is not there yet, which asking would bring about."""
    if config.server_url is None and not config.offline and not os.path.isdir(os.path.join(config.state_dir, STORE)):
        yield None
        return
    from panaversity_builder.cli import session

    with session.connected(config, console) as server:
        yield server


def outlook(
    server: Server | None, config: Config, progress: Progress, wishes: Wishes, *, full_rebuild: bool
) -> Outlook:
    """The volatile phases as questions; without a server only the source can be asked."""
    accept = wishes.accept_rollback
    source = ingest_options(config, "build", dry_run=True, overwrite=wishes.overwrite, accept_rollback=accept)
    output = hydrate_options(
        config, "build", full_rebuild=full_rebuild, allow_empty=True, accept_rollback=accept
    )  # the ingest before it would create the book

    def source_files() -> dict[str, Digest]:
        return scanned(config.state_dir, source.book_id, config.source_dir, progress, read_only=True).digests

    if server is None:
        return Outlook(source_files, None, None, config.tree, config.scope)
    return Outlook(
        source_files,
        lambda: ingest(server, source, progress),
        lambda: plan_hydrate(server, output, progress, blob_cache(config, progress)),
        config.tree,
        config.scope,
        output.metadata,
    )
