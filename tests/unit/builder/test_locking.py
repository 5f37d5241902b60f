"""Locks that one holds alone."""

import errno
import fcntl
import os

import pytest

from panaversity_builder.locking import taken_alone


def test_who_comes_second_is_told_so_until_the_first_lets_go(tmp_path):
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert (taken_alone(first), taken_alone(second)) == (True, False)
    os.close(first)
    assert taken_alone(second)
    os.close(second)


@pytest.mark.parametrize(("number", "held"), [(errno.EWOULDBLOCK, True), (errno.EACCES, True), (errno.ENOLCK, False)])
def test_a_file_system_that_cannot_lock_is_no_lock_that_is_held(number, held, monkeypatch):
    def refuse(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "flock", refuse)
    if held:
        assert not taken_alone(0)
    else:
        with pytest.raises(OSError, match="no"):
            taken_alone(0)
