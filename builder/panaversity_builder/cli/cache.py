"""``panaversity cache``: what is kept only to be quick, and letting it go. Parses, calls, shows.

Kept copies of built sites are this project's; blobs are shared by all checkouts of this machine. The store of an
embedded server is no cache and never touched.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from panaversity_builder.cli import options
from panaversity_builder.config import Config, values
from panaversity_builder.console import Console
from panaversity_fs.core.errors import InvalidArgument

if TYPE_CHECKING:
    from panaversity_builder.book.site_copies import SiteCopy, Wanted

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@options.group("cache")
def command() -> None:
    """List and prune what is kept to be quick.

    Copies of built sites belong to this project, blobs to this machine. Everything here can be made again; the store
    is not here and is never touched.
    """


@options.subcommand("list")
def list_(console: Console, config: Config) -> int:
    """Show the kept copies of sites and the blobs: how many, how large, how old, last used, and which are orphans."""
    from panaversity_builder.book.site_copies import site_copies
    from panaversity_builder.cli.work import blob_cache
    from panaversity_builder.console.cached import cache_lines

    copies = site_copies(config.state_dir, console.progress)
    cache = blob_cache(config, console.progress)
    blobs, blob_bytes = cache.usage()
    body = _body(copies, blobs, blob_bytes) | {"blob_folder": cache.folder, "blob_limit": cache.max_bytes}
    console.result(cache_lines(body), body)
    return 0


@options.subcommand(
    "prune",
    click.option("--all", "everything", is_flag=True, help="All copies of sites, and all blobs."),
    click.option("--orphans", is_flag=True, help="Copies that no build asks for [the default]."),
    click.option("--older-than", metavar="AGE", help="Copies not used for so long: 90m, 12h, 30d, 2w."),
    click.option("--max-size", metavar="SIZE", help="Used longest ago first, until copies and blobs each fit: 500M."),
    click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing."),
)
def prune(
    console: Console,
    config: Config,
    everything: bool,
    orphans: bool,
    older_than: str | None,
    max_size: str | None,
    dry_run: bool,
) -> int:
    """Remove kept copies of sites, and blobs.

    Without an option, what no build asks for any more. A site that is being built now is left alone.
    """
    from panaversity_builder.book.site_copies import Wanted, choose, let_go, site_copies
    from panaversity_builder.console.cached import pruned_lines

    wanted = Wanted(
        everything=everything,
        orphans=orphans or not (everything or older_than or max_size),
        older_than=None if older_than is None else _age(older_than),
        max_size=None if max_size is None else _size(max_size),
    )
    chosen = choose(site_copies(config.state_dir, console.progress), wanted, time.time())
    gone = chosen if dry_run else let_go(config.state_dir, chosen, console.progress)
    blobs, blob_bytes = _blobs(config, console, wanted, dry_run=dry_run)
    body = _body(gone, blobs, blob_bytes) | {"dry_run": dry_run}
    console.result(pruned_lines(body), body)
    return 0


def _blobs(config: Config, console: Console, wanted: "Wanted", *, dry_run: bool) -> tuple[int, int]:
    """How many blobs went, or would go, and their bytes. Blobs have no age of their own and are never orphans."""
    from panaversity_builder.cli.work import blob_cache

    limit = 0 if wanted.everything else wanted.max_size
    cache = blob_cache(config, console.progress)
    if limit is None:
        return 0, 0
    if not dry_run:
        return cache.prune(limit)
    number, total = cache.usage()
    return (number, total) if limit == 0 else (0, max(0, total - limit))


def _body(copies: "Sequence[SiteCopy]", blobs: int, blob_bytes: int) -> dict[str, Any]:
    now = time.time()
    rows = [
        {
            "site": copy.path or copy.site,
            "name": copy.name,
            "state": copy.state,
            "files": copy.files,
            "bytes": copy.size,
            "built_at": copy.built_at,
            "age_seconds": _since(copy.built_at, now),
            "used_seconds": max(0, int(now - copy.used_at)),
        }
        for copy in copies
    ]
    total = sum(copy.size for copy in copies)
    return {"sites": rows, "site_bytes": total, "blobs": blobs, "blob_bytes": blob_bytes}


def _since(when: str | None, now: float) -> int | None:
    try:
        return None if when is None else max(0, int(now - datetime.fromisoformat(when).timestamp()))
    except ValueError:
        return None


def _age(text: str) -> float:
    """Seconds of ``30d``. Raises ``InvalidArgument``."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isdecimal():
        raise InvalidArgument("cache prune", "--older-than", f"{text} is not an age", "Write 90m, 12h, 30d or 2w")
    return float(number) * UNITS[unit]


def _size(text: str) -> int:
    """Bytes of ``500M``. Raises ``InvalidArgument``."""
    try:
        return values.size(text)
    except ValueError:
        raise InvalidArgument("cache prune", "--max-size", f"{text} is not a size", "Write 500M or 2G") from None


command.add_command(list_)
command.add_command(prune)
