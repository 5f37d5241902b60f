"""``/readyz`` looks at the real thing: a storage that takes no files is not ready, a read-only server says so."""

import errno
import os
import socket
from pathlib import Path

import pytest

from panaversity_fs.config import Settings
from panaversity_fs.serve import bound
from panaversity_fs.store import local_blobs
from support import stack
from support.live import app_client
from support.scraped import scraped


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@stack.only_folder
@pytest.mark.anyio
@pytest.mark.parametrize(("code", "said"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "no space left")])
async def test_F18_a_storage_that_takes_no_file_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    def refuse(path: str) -> int:
        raise OSError(code, os.strerror(code), path)

    async with app_client(tmp_path / "store") as client:
        assert (await client.get("/readyz")).status_code == 200
        with monkeypatch.context() as broken:
            broken.setattr(local_blobs, "_create", refuse)
            answer = await client.get("/readyz")
            figures = scraped((await client.get("/metrics")).text)
            assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert said in answer.json()["storage"]
    assert str(tmp_path) not in answer.text
    assert (figures("storage_up"), figures("database_up")) == (0, 1)


@pytest.mark.anyio
async def test_S17_a_read_only_server_is_ready_and_says_what_it_is(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with app_client(store) as client:
        assert (await client.get("/readyz")).json()["read_only"] is False
    async with app_client(store, {"PANAVERSITYFS_READ_ONLY": "true"}) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["read_only"]) == (200, True)
        assert scraped((await client.get("/metrics")).text)("read_only") == 1


@pytest.mark.anyio
async def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    async with app_client(tmp_path / "store") as client:
        for _ in range(3):
            await client.get("/readyz")
    assert [name for name in os.listdir(tmp_path / "store") if "probe" in name] == []
    assert stack.served_blobs(tmp_path / "store").leftovers() == []


def test_answers_do_not_wait_for_the_acknowledgement_of_their_headers() -> None:
    """asyncio turns Nagle's algorithm off only for sockets that name their protocol: 40 ms a kept connection."""
    with bound(Settings.read({}, port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
