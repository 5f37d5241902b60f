"""A small book in a job's checkout. Knows lessons; does not know servers."""

import random
from pathlib import Path

LESSONS = 20


def write_book(workspace: Path, lessons: int = LESSONS) -> None:
    """``docs/`` with that many lessons of about 12 KB, hardly compressible, as prose is not."""
    for number in range(lessons):
        write_lesson(workspace, number, seed=number)


def write_lesson(workspace: Path, number: int, seed: int) -> Path:
    """One lesson, its text made from ``seed``."""
    letters = random.Random(seed)
    words = ("".join(letters.choices("aeioulnrst", k=letters.randint(2, 9))) for _ in range(1800))
    path = workspace / "docs" / "Part-01" / f"Chapter-{number // 10 + 1:02}" / f"{number % 10 + 1:02}-lesson.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Lesson {number}\n\n{' '.join(words)}\n")
    return path


def tree(folder: Path) -> dict[str, str]:
    """The lessons below a folder: path → text."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.md")}
