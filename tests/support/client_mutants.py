"""Bugs to plant in a builder that is about to be broken (RELIABILITY 8: 5, 8, 9 and one of our own).

Each replaces functions inside a child; no file is changed. Knows hydrate's inner seams; one that has moved fails
loudly, because a mutant that no longer bites proves nothing.
"""

import os
from collections.abc import Callable
from typing import Any


def _manifest_before_files() -> None:
    from panaversity_builder.book.hydrate import records
    from panaversity_builder.book.hydrate.run import Run

    real = Run._change

    def change(self: Any, ground: Any, scene: Any, state: Any) -> Any:
        told = records.render_identity(ground.identity, "2030-01-01T00:00:00Z", len(ground.target), ground.revision)
        self.files.write(records.MANIFEST_TEXT, ground.manifest.text)
        self.files.write(records.MANIFEST_JSON, told)
        return real(self, ground, scene, state)

    Run._change = change  # type: ignore[method-assign]


def _write_in_place() -> None:
    from panaversity_builder.book.hydrate.folder import Folder

    assert callable(Folder.place_over)
    real = Folder.place_over

    def place_over(self: Any, source: str, path: str) -> None:
        if path.startswith(".panaversity/"):
            return real(self, source, path)
        with self.reading(source) as file:
            target = os.open(os.path.join(self.path, path), os.O_WRONLY | os.O_TRUNC)
            while piece := os.read(file, 1 << 20):
                os.write(target, piece)
            os.close(target)
        self.remove(source)
        return None

    Folder.place_over = place_over  # type: ignore[method-assign]


def _index_after_apply() -> None:
    from panaversity_builder.book.hydrate import records
    from panaversity_builder.book.hydrate.state import StateFiles

    real = StateFiles.write

    def write(self: Any, name: str, data: bytes) -> None:
        if name != records.INDEX or not records.parse_index(data).pending:
            real(self, name, data)

    StateFiles.write = write  # type: ignore[method-assign]


def _staged_is_believed() -> None:
    from panaversity_builder.book.hydrate.staging import Staging

    assert callable(Staging._believe)

    def believe(self: Any, digest: Any) -> None:
        status = self._folder.status(self.name(digest))
        self.held[digest] = status.st_size

    Staging._believe = believe  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "manifest.json before the files": _manifest_before_files,
    "written in place": _write_in_place,
    "index after apply": _index_after_apply,
    "staged files are believed": _staged_is_believed,
}
