"""What a database URL may say: judged without connecting, and never repeating what it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panaversity_fs.config import Settings
from panaversity_fs.core.errors import ConfigInvalid, InvalidArgument
from panaversity_fs.database_url import Target, judge, target_of
from panaversity_fs.store.database import doors_of

SECRET = "pa55-word"


def test_FR_006_FR_028_everything_a_url_says_is_understood() -> None:
    url = "postgresql+asyncpg://ann:p%40ss@db.example:6432/books?ssl=verify-full&statement_cache_size=0"
    assert target_of(url) == Target("books", "db.example", 6432, "ann", "p@ss", "verify-full", pooled=True)


def test_a_socket_is_named_as_everywhere() -> None:
    assert target_of("postgresql+asyncpg://ann@/books?host=/run/postgresql").host == "/run/postgresql"


def test_the_words_of_libpq_for_ssl_are_understood_and_any_cache_but_none_is_a_cache() -> None:
    target = target_of("postgresql+asyncpg://h/books?sslmode=require&statement_cache_size=50")
    assert (target.ssl, target.pooled) == ("require", False)


@pytest.mark.parametrize("text", [repr, str, lambda target: target.place])
def test_S34_nobody_sees_the_password_by_looking(text: object) -> None:
    assert SECRET not in text(target_of(f"postgresql+asyncpg://ann:{SECRET}@h/books"))  # type: ignore[operator]


WRONG = {
    "mysql://{}@h/b": "does not begin with sqlite+aiosqlite:/// or postgresql+asyncpg://",
    "postgres://ann:{}@h/b": "names PostgreSQL but does not begin with postgresql+asyncpg://",
    "postgresql://ann:{}@h/b": "names PostgreSQL but",
    "postgresql+psycopg://ann:{}@h/b": "names PostgreSQL but",
    "postgresql+asyncpg://ann:{}@h": "names no database",
    "postgresql+asyncpg://ann:{}@h/": "names no database",
    "postgresql+asyncpg://ann:{}@h/a/b": "names no database",
    "postgresql+asyncpg://ann:{}@h:port/b": "is no URL",
    "postgresql+asyncpg://ann:{}@h:99999/b": "is no URL",
    "postgresql+asyncpg://ann:{}@[h/b": "is no URL",
    "postgresql+asyncpg://ann:{}@h/b?ssl": "is no URL",
    "postgresql+asyncpg://ann:{}@h/b?sllmode=require": "has a parameter that is none of host, ssl",
    "postgresql+asyncpg://ann:{}@h/b?ssl=on": "has an ssl that is none of disable",
    "postgresql+asyncpg://ann:{}@h/b?host=x&host=y": "says a parameter twice",
    "postgresql+asyncpg://ann:{}@h/b?statement_cache_size=none": "has a statement_cache_size that is no number",
}


@pytest.mark.parametrize("url", WRONG)
def test_P14_a_wrong_url_is_status_15_and_says_what_is_wrong_without_what_is_in_it(url: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        Settings.read({"DATABASE_URL": url.format(SECRET)})
    assert refusal.value.exit_status == 15
    assert WRONG[url] in str(refusal.value)
    assert SECRET not in str(refusal.value)


@given(st.text(max_size=60))
def test_whatever_stands_behind_the_scheme_is_understood_or_refused(rest: str) -> None:
    try:
        judge(f"postgresql+asyncpg://{rest}")
    except ValueError:
        return
    assert target_of(f"postgresql+asyncpg://{rest}").database


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://x", "sqlite+aiosqlite:/x.db", "mysql://x/y"])
def test_what_is_refused_among_the_settings_is_refused_at_the_door(url: str) -> None:
    with pytest.raises(ValueError, match="does not begin with"):
        judge(url)
    with pytest.raises(InvalidArgument, match="cannot use"):
        doors_of(url)
