"""From a folder up."""

from panaversity_builder.upward import folders_upward, is_repository, up_to_repository


def test_every_folder_up_to_the_root_and_no_further_than_the_repository(tmp_path):
    inner = tmp_path / "repository" / "a" / "b"
    inner.mkdir(parents=True)
    assert list(folders_upward(str(inner))) == [str(inner), *map(str, inner.parents)]
    assert list(up_to_repository(str(inner)))[-1] == "/"
    (tmp_path / "repository" / ".git").write_text("gitdir: elsewhere")
    assert is_repository(str(tmp_path / "repository"))
    assert list(up_to_repository(str(inner))) == [str(inner), str(inner.parent), str(tmp_path / "repository")]
