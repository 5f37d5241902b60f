"""``panaversity watch``: ingest and hydrate on every change of the source. Parses, calls, shows."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config, LiveConfig
from panaversity_builder.console import Console
from panaversity_builder.console.edge import INTERRUPTED
from panaversity_fs.core.errors import ConfigInvalid, SourceRefused

if TYPE_CHECKING:
    from panaversity_builder.book.watching.loop import Phases, Round
    from panaversity_builder.book.watching.serving import Service


@options.subcommand(
    "watch",
    options.book_id,
    options.source_dir,
    options.output_dir,
    options.manifest_file,
    options.site_dir,
    click.option("--serve", is_flag=True, help="Run docusaurus start beside it."),
    click.option("--port", type=click.IntRange(0, 65535), help="Where to serve [3000 or the next free one; 0: any]."),
    click.option("--open", "browser", is_flag=True, help="Open the served site in a browser."),
    click.option("--poll", is_flag=True, help="Look every second instead of asking the system (network file systems)."),
    options.max_deletes,
    options.schema,
    options.numbering,
    options.scope,
    options.on_edit,
    options.server_url,
)
@click.pass_context
def command(
    context: click.Context, console: Console, config: Config, serve: bool, port: int | None, browser: bool, poll: bool
) -> int:
    """Ingest and hydrate whenever the source changes, until Ctrl-C (status 130).

    One round at a time; what changes meanwhile leads to one more. A round that fails is shown and watching goes on;
    while the server is away it is tried again by itself. With --format json every round is one object on a line.
    """
    if (port is not None or browser) and not serve:
        raise click.UsageError("--port and --open go with --serve")
    config.require_book("watch")
    if not os.path.isdir(config.source_dir):
        raise SourceRefused("watch", config.source_dir, "is no folder", "Check --source-dir")
    live = LiveConfig(config, context.meta[options.RELOAD], os.getcwd())
    try:
        _watch(console, live, _service(config, port, browser, poll) if serve else None, poll)
    except KeyboardInterrupt:
        console.say("watch: ended")
    return INTERRUPTED


def _service(config: Config, port: int | None, browser: bool, poll: bool) -> "Service":
    from panaversity_builder.book.site import Site, site_environ
    from panaversity_builder.book.watching.serving import LOG_NAME, Service

    environ = site_environ(os.environ, config.site_variables)
    site = Site(folder=config.site_dir, docs=config.output_dir, environ=environ)
    return Service(site, os.path.join(config.state_dir, "logs", LOG_NAME), port, browser, poll)


def _watch(console: Console, live: LiveConfig, service: "Service | None", poll: bool) -> None:
    from panaversity_builder.book.watching.loop import Watch
    from panaversity_builder.book.watching.moments import await_git, moments
    from panaversity_builder.book.watching.serving import Nothing, SiteServer

    with ExitStack() as stack:
        beside = stack.enter_context(SiteServer(service, lambda line: _aside(console, line))) if service else Nothing()
        connection = stack.enter_context(Connected(console, live))
        watch = Watch(
            connection,
            beside,
            tell=lambda ended: _tell(console, ended),
            settings_changed=lambda: _refreshed(console, live),
            settle=lambda: await_git(live.config.source_dir),
        )
        _aside(console, f"watch: {live.config.source_dir} (Ctrl-C ends)")
        watch.run(moments(lambda: live.config.source_dir, poll=poll, progress=console.progress))


class Connected:
    """The phases over one connection, kept from round to round."""

    def __init__(self, console: Console, live: LiveConfig) -> None:
        self._console, self._live = console, live
        self._stack = ExitStack()
        self._phases: Phases | None = None

    def __enter__(self) -> "Connected":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def phases(self) -> "Phases":
        """See ``loop.Connection``."""
        from panaversity_builder.book.scanned import judged_digest, scanned
        from panaversity_builder.book.watching.loop import Phases
        from panaversity_builder.cli.doors import Wishes, doors
        from panaversity_builder.cli.session import connected

        if self._phases is None:
            config, progress = self._live.config, self._console.progress
            book_id = config.require_book("watch")  # before a server starts
            bound = doors(self._stack.enter_context(connected(config, self._console)), config, progress, Wishes())
            self._phases = Phases(
                look=lambda: judged_digest(scanned(config.state_dir, book_id, config.source_dir, progress)),
                ingest=bound.ingest,
                hydrate=lambda: bound.hydrate(False),
            )
        return self._phases

    def drop(self) -> None:
        """See ``loop.Connection``."""
        self._phases = None
        self._stack.close()


def _refreshed(console: Console, live: LiveConfig) -> bool:
    """True when other settings are in force now; settings that cannot be taken are shown and left alone."""
    try:
        changed = live.refresh()
    except ConfigInvalid as error:
        console.error(error)
        return False
    if changed:
        _aside(console, "watch: the settings changed")
    return changed


def _tell(console: Console, ended: "Round") -> None:
    """Show a round: what it did if it did anything, and the error that ended it."""
    from panaversity_builder.console.results import hydrate_lines, ingest_lines

    if ended.error is not None and console.manner.format != "json":
        console.error(ended.error)
        if ended.cause != "retry":
            _aside(console, "watch: going on; the next change is tried")
        return
    lines = [
        *(ingest_lines(ended.ingested) if ended.ingested else ()),
        *(hydrate_lines(ended.hydrated) if ended.hydrated else ()),
        f"watch: round {ended.number} ({ended.cause}) in {ended.seconds:.2f} s",
    ]
    console.result(lines, ended.to_json())


def _aside(console: Console, line: str) -> None:
    if console.manner.verbosity >= 0:
        console.say(line)
