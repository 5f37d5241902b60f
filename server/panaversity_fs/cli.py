"""``panaversity-fs``: the server's command. Parses, calls, and turns every failure into a sentence and an exit status.

Knows flags and exit statuses; imports the server itself only when it is started, so that ``--help`` is quick.
"""

import asyncio
import gc
import os
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NoReturn

import click

from panaversity_fs.cli_audit import audit
from panaversity_fs.cli_care import COMMANDS
from panaversity_fs.core.errors import ConfigInvalid, PanaversityError

if TYPE_CHECKING:
    from panaversity_fs.config import Settings

EXIT_BUG = 70
EXIT_INTERRUPTED = 130

_STORE = click.option(
    "--store",
    type=click.Path(file_okay=False),
    help="Serve this folder: SQLite and blobs lie in it; DATABASE_URL and the storage variables are ignored.",
)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from panaversity_fs.version import VERSION

        click.echo(f"panaversity-fs {VERSION}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Say which.")
def cli() -> None:
    """The PanaversityFS server: stores books behind MCP.

    Exit status: 0 done, 2 usage, 13 an audit log was tampered with, 15 configuration, 70 a bug.
    """


@cli.command()
@click.option("--host", help="Address to listen on; without tokens a loopback one [PANAVERSITY_SERVER_HOST].")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one [PANAVERSITY_SERVER_PORT, 8000].")
@_STORE
@click.option("--stdio", is_flag=True, help="Speak MCP on stdin and stdout instead of HTTP.")
@click.option("--until-unused", is_flag=True, help="Leave when no command uses the store any more (with --store).")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    envvar="PANAVERSITY_SERVER_WORKERS",
    show_envvar=True,
    help="Serve with so many processes (PostgreSQL only).",
)
@click.option("--socket", type=int, hidden=True, help="Serve on this listening socket: one of several workers.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="How to log to stderr [text on a terminal, else json]."
)
def serve(
    host: str | None,
    port: int | None,
    store: str | None,
    stdio: bool,
    until_unused: bool,
    workers: int,
    socket: int | None,
    log_format: Literal["text", "json"] | None,
) -> int:
    """Serve books over HTTP (MCP at /mcp) or stdio until told to stop."""
    if until_unused and (store is None or stdio):
        raise click.UsageError("--until-unused goes with --store and without --stdio")
    several = workers > 1 and socket is None
    if several and (store is not None or stdio):
        raise click.UsageError("--workers goes without --store and --stdio")
    folder = _absolute(store)
    # Read by the framework at its import: its own log handlers, and a .env of the folder we happen to be started in.
    os.environ.update(FASTMCP_LOG_ENABLED="false", FASTMCP_ENV_FILE=os.devnull)
    with _importing():
        from panaversity_fs import serve as process
        from panaversity_fs.config import Settings
        from panaversity_fs.logs import configure_logging

    configure_logging(log_format, talkative=not stdio)
    settings = Settings.read(os.environ, store=folder, host=host, port=port)
    how = process.Serving(settings, secrets.token_hex(8), folder, until_unused, socket)
    if several:
        return _serve_with(workers, settings, {"--host": host, "--port": port, "--log-format": log_format})
    if stdio:
        process.run_stdio(how)
    else:
        process.run_http(how)
    return 0


def _serve_with(workers: int, settings: "Settings", flags: dict[str, str | int | None]) -> int:
    from panaversity_fs.workers import run_workers

    return run_workers(settings, workers, [f"{name}={value}" for name, value in flags.items() if value is not None])


@contextmanager
def _importing() -> Iterator[None]:
    """Import without looking for garbage: modules make none, and the search takes a sixth of the start (0.15 s)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@cli.command()
@_STORE
@click.option("--print-roles", is_flag=True, help="Only print the SQL of a PostgreSQL role for servers.")
def migrate(store: str | None, print_roles: bool) -> None:
    """Bring the database to this version's tables and leave."""
    if print_roles:
        from panaversity_fs.store.roles import server_role_sql

        click.echo(server_role_sql(), nl=False)
        return
    from panaversity_fs.config import Settings
    from panaversity_fs.library import open_library
    from panaversity_fs.library.storage import blobs_of

    settings = Settings.read(os.environ, store=_absolute(store))

    async def run() -> None:
        async with open_library(settings.database_url, settings.storage_root, blobs=blobs_of(settings)):
            click.echo("migrate: the database is up to date", err=True)

    asyncio.run(run())


@cli.command()
@click.option("--keys", required=True, type=click.Path(), help="Folder of the key pair, made where there is none.")
@click.option("--subject", required=True, help="Who it is for; also the user_id of their overlay.")
@click.option("--scope", "scopes", multiple=True, help="book:<id|*>:read|write|admin, …:site-cache, overlay:admin.")
@click.option("--hours", type=float, default=12.0, show_default=True, help="How long it is valid.")
@click.option("--agent", help="Whom the audit log names [the subject].")
@click.option(
    "--issuer", envvar="PANAVERSITY_AUTH_ISSUER", show_envvar=True, default="https://localhost/panaversity-fs"
)
@click.option("--audience", envvar="PANAVERSITY_AUTH_AUDIENCE", show_envvar=True, default="panaversity-fs")
def token(
    keys: str, subject: str, scopes: tuple[str, ...], hours: float, agent: str | None, issuer: str, audience: str
) -> None:
    """Print a token signed with a local key, for a server that knows its key set (PANAVERSITY_AUTH_JWKS_FILE)."""
    import time

    from panaversity_fs.api.auth_local_keys import LocalKeys, Wanted, sign

    place = LocalKeys.at(os.path.abspath(keys))
    text = sign(place.ensure(), Wanted(issuer, audience, subject, scopes, hours, agent), time.time())
    for name, value in {"ISSUER": issuer, "AUDIENCE": audience, "JWKS_FILE": place.jwks}.items():
        click.echo(f"PANAVERSITY_AUTH_{name}={value}", err=True)
    click.echo(text)


for _command in (*COMMANDS, audit):
    cli.add_command(_command)


def _absolute(store: str | None) -> str | None:
    if store is None:
        return None
    folder = os.path.abspath(store)
    if "?" in folder or "#" in folder:
        raise ConfigInvalid("serve", "--store", "holds ? or #, which database URLs cannot", "Name another folder")
    return folder


def main() -> NoReturn:
    """The outer edge: nothing leaves as a traceback, and nothing but differences leaves with 1."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    try:
        status = cli.main(arguments, prog_name="panaversity-fs", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PanaversityError as error:
        click.echo(f"panaversity-fs: {error}", err=True)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except BaseException as fault:  # noqa: BLE001 - the outer edge
        return _bug(fault)


def _bug(fault: BaseException) -> int:
    if isinstance(fault, SystemExit):
        return fault.code if isinstance(fault.code, int) else EXIT_BUG
    last = traceback.extract_tb(fault.__traceback__)[-1:]
    place = f" at {os.path.basename(last[0].filename)}:{last[0].lineno}" if last else ""
    click.echo(
        f"panaversity-fs: bug: {type(fault).__name__}{place}: this should not happen. Please report it.", err=True
    )
    return EXIT_BUG
