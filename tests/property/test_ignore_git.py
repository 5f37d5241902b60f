"""``.bookignore`` against git itself: the same files, the same patterns in as many folders, the same answer."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panaversity_builder.book.ignore import IgnoreRules

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not here to compare with")

FOLDERS = ("", "a", "b", "a/b", "foo")
NAMES = st.sampled_from(["a", "b", "ab", "foo", "a.md", "b.md", "foo bar"])
LITERALS = ["a", "b", "ab", "foo", "a.md", "\\a", "foo\\ bar"]
PIECES = st.sampled_from([*LITERALS, "*", "*.md", "**", "?", "a*", "[ab]", "[!a]", "*b*", "foo*bar", "a**b", "***"])
PATTERNS = st.builds(
    lambda bang, root, names, folder, blank: bang + root + "/".join(names) + folder + blank,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(PIECES, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
    st.sampled_from(["", "", "  ", "\r"]),
)
RULES = st.dictionaries(st.sampled_from(FOLDERS), st.lists(PATTERNS, min_size=1, max_size=4), max_size=3)
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=4, max_size=12, unique=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def kept_by_git(root: Path) -> set[str]:
    command = ["git", "-C", str(root), "ls-files", "-o", "--exclude-per-directory=.gitignore", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return {path for path in listed.split("\0") if path and not path.endswith(".gitignore")}


@settings(max_examples=max(30, settings.default.max_examples // 2))
@given(paths=TREES, rules=RULES)
def test_bookignore_keeps_what_git_keeps(repository: Path, paths: list[str], rules: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory(dir=repository) as folder:
        root, files = Path(folder), set()
        for path in paths:
            try:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).touch(exist_ok=False)
                files.add(path)
            except OSError:
                continue  # a file where a folder is, or the other way round
        ours = IgnoreRules()
        for where, lines in rules.items():
            if (root / where).is_dir():
                (root / where / ".gitignore").write_text("\n".join(lines), newline="")
                ours.add(where, "\n".join(lines))
        assert {path for path in files if ours.reason_along(path) is None} == kept_by_git(root)
