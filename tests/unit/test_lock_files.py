"""The locks name versions and hashes, never a place: where packages come from is the business of who installs."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PLACES = re.compile(r"https?://|file://|git\+|index-url|find-links|trusted-host|registry\s*=", re.IGNORECASE)
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[^\s;]+( ; [^\\]+)?", re.IGNORECASE)


def requirements(path: Path) -> list[str]:
    """The logical lines of a requirements file: continued lines joined, comments gone."""
    joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [re.sub(r"\s+#.*|^#.*", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


def without_marker(line: str) -> str:
    """Version and hashes only: the locks state the same pin for different ranges of Python."""
    return re.sub(r" ; .*?(?= --hash)", "", re.sub(r"\s+", " ", line))


def test_all_locks_are_there() -> None:
    assert {path.name for path in PYTHON_LOCKS} >= {"build.txt", "builder.txt", "server.txt", "dev.txt"}


@pytest.mark.parametrize("path", [*PYTHON_LOCKS, ROOT / "package-lock.json", ROOT / ".npmrc"], ids=lambda p: p.name)
def test_a_lock_names_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == "package-lock.json":
        text = json.dumps(_without_prose(json.loads(text)))
    assert not PLACES.search(text)


def _without_prose(lock: dict[str, dict[str, dict[str, object]]]) -> list[dict[str, object]]:
    """The packages without what their authors say about themselves (funding links)."""
    return [{k: v for k, v in package.items() if k != "funding"} for package in lock["packages"].values()]


@pytest.mark.parametrize("path", PYTHON_LOCKS, ids=lambda path: path.name)
def test_every_python_requirement_is_pinned_and_hashed(path: Path) -> None:
    lines = requirements(path)
    assert lines
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=", line)
        assert PINNED.fullmatch(requirement), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)


@pytest.mark.parametrize("path", PYTHON_LOCKS, ids=lambda path: path.name)
def test_the_locks_agree_with_the_development_lock(path: Path) -> None:
    everything = {without_marker(line) for line in requirements(ROOT / "requirements" / "dev.txt")}
    assert {without_marker(line) for line in requirements(path)} <= everything


def test_every_npm_package_has_an_integrity_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    outside = {name: entry for name, entry in packages.items() if "node_modules/" in name and not entry.get("link")}
    assert outside
    assert [name for name, entry in outside.items() if not entry.get("integrity")] == []
