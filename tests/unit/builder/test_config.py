"""Settings: which source wins, where each value comes from, and what a bad one says."""

import os
from pathlib import Path

import pytest

from panaversity_builder.config import SETTINGS, Config, load_config
from panaversity_fs.core.errors import ConfigInvalid

AGENT = "panaversity:me@here"


def load(cwd, environ=None, **flags):
    return load_config(flags, environ or {}, str(cwd), AGENT)


@pytest.fixture
def project(tmp_path):
    """A repository with settings at its root."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "book.toml").write_text('book_id = "from-file"\nsource_dir = "text"\n')
    return tmp_path


def test_FR_502_each_layer_hides_the_next_and_is_named_as_the_origin(project):
    environ = {"PANAVERSITY_BOOK_ID": "from-environment"}
    (project / ".env").write_text("PANAVERSITY_BOOK_ID=from-dotenv\n")
    config = load(project, environ, book_id="from-flag")
    assert (config.book_id, config.origins["book_id"]) == ("from-flag", "flag --book-id")
    config = load(project, environ)
    assert (config.book_id, config.origins["book_id"]) == ("from-environment", "environment PANAVERSITY_BOOK_ID")
    config = load(project)
    assert (config.book_id, config.origins["book_id"]) == ("from-dotenv", f"{project}/.env PANAVERSITY_BOOK_ID")
    (project / ".env").unlink()
    config = load(project)
    assert (config.book_id, config.origins["book_id"]) == ("from-file", f"{project}/book.toml")
    (project / "book.toml").unlink()
    config = load(project)
    assert (config.book_id, config.origins["book_id"]) == (None, "default")


def test_every_setting_has_an_origin_and_is_shown(project):
    config = load(project)
    names = {s.name for s in SETTINGS}
    assert names | {"root"} == set(config.origins) == set(config.shown())


def test_dotenv_never_reaches_the_environment(project):
    (project / ".env").write_text("PANAVERSITY_BOOK_ID=leak\nOTHER_LEAK=1\n")
    before = dict(os.environ)
    load(project)
    assert dict(os.environ) == before


def test_dotenv_values_are_taken_as_they_stand(project):
    (project / ".env").write_text("PANAVERSITY_TOKEN='a${HOME}b'\n")
    assert load(project).token == "a${HOME}b"


def test_an_empty_variable_is_not_set_but_hides_the_one_in_dotenv(project):
    (project / ".env").write_text("PANAVERSITY_MCP_URL=http://far/mcp\n")
    assert load(project).server_url == "http://far"
    assert load(project, {"PANAVERSITY_MCP_URL": ""}).server_url is None
    assert load(project, {"PANAVERSITY_BOOK_ID": " "}).book_id == "from-file"


def test_paths_in_a_file_are_relative_to_it_and_others_to_the_caller(project):
    inner = project / "deep" / "down"
    inner.mkdir(parents=True)
    config = load(inner, {"PANAVERSITY_MANIFEST_FILE": "m.json"}, output_dir="out")
    assert config.source_dir == f"{project}/text"
    assert config.output_dir == f"{inner}/out"
    assert config.manifest_file == f"{inner}/m.json"


def test_pyproject_is_read_when_it_has_our_table_and_passed_over_when_not(project):
    (project / "book.toml").unlink()
    (project / "pyproject.toml").write_text('[tool.panaversity]\nbook_id = "from-project"\n')
    inner = project / "sub"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert load(inner).book_id == "from-project"


def test_book_toml_may_use_the_table_too(project):
    (project / "book.toml").write_text('[tool.panaversity]\nbook_id = "in-table"\n')
    assert load(project).book_id == "in-table"


def test_the_site_folder_brings_its_own_settings(project):
    site = project / "site"
    site.mkdir()
    (site / "book.toml").write_text('book_id = "of-the-site"\noutput_dir = "book"\n')
    for config in (load(project, site_dir="site"), load(project, {"PANAVERSITY_SITE_DIR": str(site)})):
        assert config.book_id == "of-the-site"
        assert config.output_dir == f"{site}/book"
        assert config.root == str(project), "one project, one store, wherever a command is typed"


def test_settings_beyond_the_repository_are_not_ours(project):
    inner = project / "other"
    (inner / ".git").mkdir(parents=True)
    assert load(inner).book_id is None


def test_the_root_is_the_repository_else_the_settings_else_here(project):
    inner = project / "a"
    inner.mkdir()
    assert load(inner).root == str(project)
    assert load(inner).state_dir == f"{project}/.panaversity"
    (project / ".git").rmdir()
    assert load(inner).root == str(project)
    (project / "book.toml").unlink()
    assert load(inner).root == str(inner)


def test_FR_202_the_default_source_is_the_docs_of_apps_learn_app(project):
    (project / "book.toml").unlink()
    config = load(project)
    assert config.source_dir == f"{project}/apps/learn-app/docs"
    assert config.output_dir == f"{project}/apps/learn-app/book"


def test_settings_that_lie_in_a_site_speak_for_that_site(project):
    (project / "docusaurus.config.ts").write_text("")
    assert load(project).site_dir == str(project)
    assert load(project).output_dir == f"{project}/book"


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/mcp/", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://fs.example.org/books/mcp", "https://fs.example.org/books"),
    ],
)
def test_FR_502_the_server_address_may_or_may_not_name_mcp(project, given, root):
    assert load(project, {"PANAVERSITY_MCP_URL": given}).server_url == root


def test_the_agent_is_named_after_the_user_unless_somebody_says_otherwise(project):
    assert load(project).agent_id == AGENT
    assert load(project, {"PANAVERSITY_AGENT_ID": "ci"}).agent_id == "ci"


def test_a_stray_database_url_is_nobodys_setting(project):
    environ = {"DATABASE_URL": "postgresql://prod/db", "PANAVERSITY_STORAGE_ROOT": "/srv"}
    assert load(project, environ) == load(project)


def test_the_token_is_never_shown(project):
    config = load(project, {"PANAVERSITY_TOKEN": "s3cret"})
    assert config.token == "s3cret"
    assert config.shown()["token"] == ("***", "environment PANAVERSITY_TOKEN")
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PANAVERSITY_BOOK_ID", "Bad_Id"),
        ("PANAVERSITY_MCP_URL", "ftp://x"),
        ("PANAVERSITY_MCP_URL", "http://"),
        ("PANAVERSITY_MCP_URL", "/mcp"),
        ("PANAVERSITY_MCP_URL", "localhost:8000"),
        ("PANAVERSITY_AGENT_ID", "system"),
        ("PANAVERSITY_MAX_DELETES", "many"),
        ("PANAVERSITY_MAX_DELETES", "-1"),
        ("PANAVERSITY_MAX_DELETES", "101%"),
        ("PANAVERSITY_SCOPE", "some"),
        ("PANAVERSITY_NUMBERING", "roman"),
        ("PANAVERSITY_SCHEMA", "loose"),
        ("PANAVERSITY_SITE_TIME_LIMIT", "0"),
        ("PANAVERSITY_SITE_TIME_LIMIT", "nan"),
        ("PANAVERSITY_SITE_VARIABLES", "A B"),
    ],
)
def test_a_bad_value_is_refused_naming_setting_and_origin(project, variable, value):
    with pytest.raises(ConfigInvalid) as caught:
        load(project, {variable: value})
    assert caught.value.exit_status == 15
    assert f"environment {variable}" in str(caught.value)


def test_credentials_in_an_address_are_never_repeated(project):
    with pytest.raises(ConfigInvalid) as caught:
        load(project, {"PANAVERSITY_MCP_URL": "htp://me:s3cret@fs.example.org"})
    assert "s3cret" not in str(caught.value)
    config = load(project, {"PANAVERSITY_MCP_URL": "https://me:s3cret@fs.example.org/mcp"})
    assert config.shown()["server_url"][0] == "https://***@fs.example.org"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("book_id = [", "cannot be read"),
        ("book_id = 7", "book_id .*is not a text"),
        ('book_id = "G"', "'G' is not a book id: use 2 to 63 of a-z, 0-9 and -, not beginning with -"),
        ('bookid = "x"', "bookid .*is not a setting. Known settings: book_id"),
        ('token = "x"', "token .*does not belong into a file. Set PANAVERSITY_TOKEN"),
        ("site_variables = [1]", "site_variables"),
    ],
)
def test_a_bad_settings_file_is_refused_naming_the_file(project, text, said):
    (project / "book.toml").write_text(text)
    with pytest.raises(ConfigInvalid, match=said) as caught:
        load(project)
    assert str(project / "book.toml") in str(caught.value)


def test_a_missing_book_id_says_the_three_ways_to_set_it(tmp_path):
    with pytest.raises(
        ConfigInvalid, match=r"hydrate: book_id: is not set.*--book-id.*PANAVERSITY_BOOK_ID.*book\.toml"
    ):
        load(tmp_path).require_book("hydrate")


def test_settings_cannot_be_changed_after_they_were_read(project):
    with pytest.raises(AttributeError):
        load(project).book_id = "other"  # type: ignore[misc]


def test_values_from_a_file_are_read_as_toml(project):
    (project / "book.toml").write_text('site_variables = ["ALGOLIA"]\nsite_time_limit = 90\nmax_deletes = 5\n')
    config = load(project)
    assert (config.site_variables, config.site_time_limit, config.max_deletes) == (("ALGOLIA",), 90.0, "5")
    assert isinstance(config, Config)
    assert Path(config.root) == project


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("10k", 10 << 10), ("512M", 512 << 20), ("2 GiB", 2 << 30), ("1.5g", 3 << 29), (7, 7),
     ("1TB", 1 << 40), ("3 MB", 3 << 20)],
)  # fmt: skip
def test_a_size_may_be_told_in_powers_of_1024(project, text, size):
    assert load(project, {"PANAVERSITY_CACHE_SIZE": str(text)}).cache_size == size


@pytest.mark.parametrize("text", ["much", "-1", "1.2.3G", "5 Q", "G", "1e9", "0x10", "nan", "inf"])
def test_what_is_no_size_is_said_to_be_none(project, text):
    with pytest.raises(ConfigInvalid, match="is not a size like 512M or 2G"):
        load(project, {"PANAVERSITY_CACHE_SIZE": text})


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_offline_is_a_switch(project, text, value):
    assert load(project, {"PANAVERSITY_OFFLINE": text}).offline is value


def test_offline_is_neither_half_true_nor_a_path(project):
    with pytest.raises(ConfigInvalid, match="is neither true nor false"):
        load(project, {"PANAVERSITY_OFFLINE": "maybe"})
    assert load(project, {"PANAVERSITY_CACHE_DIR": "kept"}).cache_dir == str(project / "kept")
    assert load(project, {"PANAVERSITY_OFFLINE": "0"}, offline=True).offline is True
