"""What builds cost, counted at the seam: requests, digests asked for, bytes, over five builds (I1, SC-101, FR-105)."""

import random
from pathlib import Path

import pytest

from panaversity_builder.blob_cache import BlobCache
from panaversity_builder.book.hydrate import HydrateOptions, hydrate
from panaversity_builder.book.ingest import IngestOptions, ingest
from panaversity_fs.core.digest import Digest, digest_of
from support.simulator import Simulator

FILES, SIZE = 200, 3000


class Counting(Simulator):
    """A server that keeps every digest it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Digest] = []

    def fetch_pack(self, book_id, manifest, digests):
        self.asked += digests
        return super().fetch_pack(book_id, manifest, digests)


def write(source: Path, number: int, data: bytes) -> Digest:
    path = source / f"{number % 10:02}-Part" / f"{number:03}-lesson.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest_of(data)


@pytest.mark.parametrize("cached", [False, True])
def test_I1_five_builds_download_what_changed_and_nothing_else(tmp_path: Path, cached: bool) -> None:
    server, rng, source = Counting(), random.Random(1), tmp_path / "source"
    known = {write(source, number, rng.randbytes(SIZE)) for number in range(FILES)}
    cache = BlobCache(str(tmp_path / "cache")) if cached else None
    costs = []
    for build, edits in enumerate([0, 0, 1, 5, 40]):
        changed = {write(source, number, rng.randbytes(SIZE)) for number in rng.sample(range(FILES), edits)}
        server.calls.clear()
        server.asked.clear()
        before = server.traffic.received, server.traffic.sent
        ingest(server, IngestOptions("book", str(source), str(tmp_path / "state")))
        result = hydrate(server, HydrateOptions("book", str(tmp_path / "out")), cache=cache)
        received, sent = server.traffic.received - before[0], server.traffic.sent - before[1]
        wanted = known if build == 0 else changed
        assert sorted(server.asked) == sorted(wanted), "a digest was asked for twice, or without need"
        assert result.files_downloaded == len(wanted)
        if build and not edits:
            assert server.calls == ["plan_build", "plan_build"]
            assert (received, sent) == (600, 0)
        else:
            assert server.calls == ["plan_build", "send_changeset", "plan_build", "fetch_pack"]
            assert len(wanted) * SIZE < received < len(wanted) * (SIZE + 2000) + 1000
            assert sent < len(wanted) * (SIZE + 1300) + 30_000
        costs.append(f"{edits} edits: {len(server.calls)} requests, {received} down, {sent} up")
    print("; ".join(costs))
