"""How much of built sites a server keeps, as its environment says; and what ``gc`` makes of it."""

import asyncio
import contextlib
import io
import json
import os
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from panaversity_fs import cli
from panaversity_fs.app import build_service
from panaversity_fs.config import Settings
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.errors import ConfigInvalid, TooLarge
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library import Library, Offer
from support.live import clean_environment
from support.stores import BOOK, CALLER, lesson, pieces


def settings(store: Path, **environ: str) -> Settings:
    return Settings.read(environ, store=str(store))


def test_two_gibibytes_and_two_weeks_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    read = settings(tmp_path)
    assert (read.site_cache_bytes, read.site_cache_days) == (2 * 1024**3, 14)
    read = settings(tmp_path, PANAVERSITY_SITE_CACHE_BYTES="1000", PANAVERSITY_SITE_CACHE_DAYS="0.5")
    assert (read.site_cache_bytes, timedelta(days=read.site_cache_days)) == (1000, timedelta(hours=12))


@pytest.mark.parametrize(
    ("name", "value"),
    [("BYTES", "-1"), ("BYTES", "lots"), ("DAYS", "0"), ("DAYS", "-3"), ("DAYS", "nan"), ("DAYS", "1e9")],
)
def test_a_value_that_makes_no_sense_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"PANAVERSITY_SITE_CACHE_{name}"):
        settings(tmp_path, **{f"PANAVERSITY_SITE_CACHE_{name}": value})


async def keep(library: Library, document: str, data: bytes) -> None:
    meta = SiteMeta(document, digest_of(data), 1)
    await library.keep_site(BOOK, Offer(meta, digest_of(data), len(data)), pieces(data), CALLER)


def gc(store: Path, *words: str, **environ: str) -> list[dict[str, object]]:
    """What the command says of kept sites."""
    out = io.StringIO()
    with (
        patch.dict(os.environ, clean_environment() | environ, clear=True),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()),
    ):  # fmt: skip
        assert cli.run(["gc", "--store", str(store), *words]) == 0
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return [line["site_cache"] for line in lines if "site_cache" in line]


def test_gc_keeps_to_the_quota_of_the_settings_and_drops_all_sites_only_when_told(tmp_path: Path) -> None:
    async def fill() -> None:
        service = build_service(settings(tmp_path), "test")
        async with service.opened():
            await service.library.write(BOOK, lesson(1), b"text", CALLER, expected=None)
            for number in range(3):
                await keep(service.library, f"document {number}", bytes([number]) * 1000)

    asyncio.run(fill())
    kept = {"book_id": BOOK, "incarnation": 1, "leftovers": 0}
    assert gc(tmp_path, "--yes") == []
    over = [kept | {"sites": 1, "objects": 1, "size": 1000}]
    assert gc(tmp_path, PANAVERSITY_SITE_CACHE_BYTES="2500") == over
    assert gc(tmp_path, "--yes", PANAVERSITY_SITE_CACHE_BYTES="2500") == over
    assert gc(tmp_path, "--yes", "--all-sites") == [kept | {"sites": 2, "objects": 2, "size": 2000}]
    assert [path for path in (tmp_path / "site-cache").rglob("*") if path.is_file()] == []


def test_a_quota_of_nothing_switches_the_cache_off(tmp_path: Path) -> None:
    async def try_it() -> None:
        service = build_service(settings(tmp_path, PANAVERSITY_SITE_CACHE_BYTES="0"), "test")
        async with service.opened():
            await service.library.write(BOOK, lesson(1), b"text", CALLER, expected=None)
            with pytest.raises(TooLarge, match="more than the 0"):
                await keep(service.library, "document", b"x")

    asyncio.run(try_it())
