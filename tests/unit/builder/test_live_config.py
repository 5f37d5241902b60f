"""Settings of a long run: read again when a file changes, kept when what stands there now cannot be taken."""

import functools

import pytest

from panaversity_builder.config import LiveConfig, load_config
from panaversity_fs.core.errors import ConfigInvalid


@pytest.fixture
def live(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "book.toml").write_text('book_id = "one"\n')
    load = functools.partial(load_config, {}, {}, str(tmp_path), "agent")
    return LiveConfig(load(), load, str(tmp_path))


def test_nothing_is_read_again_while_no_file_changes(live):
    live._load = lambda: pytest.fail("read again")
    assert not live.refresh()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("book.toml", 'book_id = "two"\n'),
        (".env", "PANAVERSITY_BOOK_ID=two\n"),
    ],
)
def test_another_value_is_taken_from_any_file_also_a_new_one(live, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert live.refresh()
    assert live.config.book_id == "two"
    assert not live.refresh()


def test_a_file_that_says_the_same_again_changes_nothing(live, tmp_path):
    (tmp_path / "book.toml").write_text('# a comment\nbook_id = "one"\n')
    assert not live.refresh()
    (tmp_path / ".env").write_text("PANAVERSITY_BOOK_ID=one\n")
    assert not live.refresh()
    assert live.config.origins["book_id"].endswith(".env PANAVERSITY_BOOK_ID")


def test_what_cannot_be_taken_is_told_once_and_the_settings_stay(live, tmp_path):
    (tmp_path / "book.toml").write_text('book_id = "TWO"\n')
    with pytest.raises(ConfigInvalid):
        live.refresh()
    assert live.config.book_id == "one"
    assert not live.refresh()
    (tmp_path / "book.toml").write_text('book_id = "three"\n')
    assert live.refresh()
