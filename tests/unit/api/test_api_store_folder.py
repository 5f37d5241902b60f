"""Locks and notes of a served folder."""

import fcntl
import json
import os
from pathlib import Path

import pytest

from panaversity_fs.core.errors import ConfigInvalid
from panaversity_fs.store_folder import Clients, announce, forget, serving, try_exclusive


def test_F39_one_server_a_folder_and_the_next_one_after_it(tmp_path: Path) -> None:
    folder = str(tmp_path / "made")
    with serving(folder), pytest.raises(ConfigInvalid, match="another server"), serving(folder):
        raise AssertionError("two servers")
    with serving(folder):
        pass


def test_a_note_that_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    announce(str(tmp_path), {"url": "http://gone"})
    with serving(str(tmp_path)):
        assert not (tmp_path / "server.json").exists()
        announce(str(tmp_path), {"url": "http://here"})
        assert json.loads((tmp_path / "server.json").read_text()) == {"url": "http://here"}
    assert sorted(os.listdir(tmp_path)) == ["server.lock"]
    forget(str(tmp_path))


def hold_shared(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def test_nobody_has_gone_before_the_grace_is_over(tmp_path: Path) -> None:
    clients = Clients(str(tmp_path), grace=5.0)
    assert not clients.gone(0.0)
    assert not clients.gone(4.9)
    assert clients.gone(5.0)


def test_once_seen_clients_are_gone_as_soon_as_they_left(tmp_path: Path) -> None:
    clients = Clients(str(tmp_path), grace=5.0)
    first, second = (hold_shared(tmp_path / "clients.lock") for _ in range(2))
    assert not clients.gone(0.1)
    os.close(first)
    assert not clients.gone(99.0)
    os.close(second)
    assert clients.gone(0.2)


def test_who_comes_when_the_server_goes_must_wait(tmp_path: Path) -> None:
    clients = Clients(str(tmp_path), grace=0.0)
    assert clients.gone(1.0)
    late = os.open(tmp_path / "clients.lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(late, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(late)
    assert try_exclusive(str(tmp_path / "clients.lock")) is None
