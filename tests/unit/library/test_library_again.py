"""Trouble of the database that passes is not seen by whoever looks after a store either (F24)."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from panaversity_fs.core.changes import Changeset
from panaversity_fs.core.digest import digest_of
from panaversity_fs.core.site_meta import SiteMeta
from panaversity_fs.library import Library, Offer
from panaversity_fs.library.inspecting import Depth
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.blobs import BlobKey
from panaversity_fs.store.database import Connection
from panaversity_fs.store.outcomes import NothingDone
from support.oracle import assert_store_ok
from support.stores import BOOK, CALLER, Store, lesson, pieces, written

pytestmark = pytest.mark.anyio

DATA = b"a large blob" * 100
SITE = b"a built site" * 100


@pytest.fixture
def tries(library: Library, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Operation → transactions begun; of each operation every other one is rolled back at its end."""
    begun, write = Counter[str](), library._context.database.write

    @asynccontextmanager
    async def failing(operation: str, book_id: str | None = None) -> AsyncIterator[Connection]:
        begun[operation] += 1
        async with write(operation, book_id) as connection:
            yield connection
            if begun[operation] % 2 and operation != "access log":
                raise NothingDone(operation, "database", "is used by another transaction", "Try again")

    monkeypatch.setattr(library._context.database, "write", failing)
    return begun


async def test_F24_an_upload_in_parts(library: Library, tries: Counter[str]) -> None:
    await library.create_book(BOOK, CALLER)
    for at in range(0, len(DATA), 400):
        done = await library.resume_blob(BOOK, digest_of(DATA), CALLER, at, len(DATA), pieces(DATA[at : at + 400], 100))
    assert done.done
    assert await library.uploaded_size(BOOK, digest_of(DATA), CALLER) == len(DATA)
    assert tries["upload"] > 12
    asset = "static/img/01-Part/01-Chapter/large.png"
    await library.commit(BOOK, Changeset((written(asset, DATA),), operation="upload_asset"), CALLER)


async def test_F24_collecting_repairing_and_pruning(library: Library, store: Store, tries: Counter[str]) -> None:
    for number in range(3):
        before = digest_of(b"%d" % (number - 1)) if number else None
        await library.write(BOOK, lesson(1), b"%d" % number, CALLER, expected=before)
    store.medium.damage(BlobKey(BOOK, 1, digest_of(b"2")), b"?")
    found = [one async for one in library.inspect(Depth(wanted=lambda rows: {row.sha256 for row in rows}))]
    repaired = [one async for one in library.repair(found, really=True)]
    assert [one.action for one in repaired if one.done] == ["quarantine"]
    await library.write(BOOK, lesson(1), b"2 again", CALLER, expected=digest_of(b"2"))
    now = Policy(told=timedelta(0), logged=timedelta(0))
    assert [one.trouble for one in [one async for one in library.collect(now, really=True)]] == [""]
    store.clock.now += timedelta(days=400)
    pruned = [one async for one in library.prune_audit(datetime.now(UTC) + timedelta(days=9999), "op", really=True)]
    assert sum(one.removed for one in pruned) > 0
    assert (await library.verify_audit(BOOK)).valid
    assert {"gc", "fsck", "audit prune"} <= tries.keys()
    await assert_store_ok(store, strays=True)


async def test_F24_built_sites(library: Library, tries: Counter[str]) -> None:
    await library.create_book(BOOK, CALLER)
    meta = SiteMeta("document", digest_of(b"output"), 1500)
    site = await library.keep_site(BOOK, Offer(meta, digest_of(SITE), len(SITE)), pieces(SITE), CALLER)
    await library._context.site_blobs.remove(site.row.object)
    with pytest.raises(Exception, match="no site is kept"):
        await library.open_site(BOOK, meta.key)
    await library.keep_site(BOOK, Offer(meta, digest_of(SITE), len(SITE)), pieces(SITE), CALLER)
    assert [one.sites async for one in library.collect_sites(really=True, everything=True)] == [1]
    assert tries["gc"] == 2
