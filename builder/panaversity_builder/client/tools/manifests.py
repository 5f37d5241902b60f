"""Manifest texts put together from plans, for whoever may call tools only.

A plan lists what a manifest and the book differ in, so the plan from nothing tells the book's own manifest, and the
plan from an older one, read backwards, tells that. Knows plans; does not know how they are asked for.
"""

from collections.abc import Callable

from panaversity_builder.client.seam import BOOK_UNKNOWN, MANIFEST_UNKNOWN, BuildPlan, PlanFile, PlanQuestion, Scope
from panaversity_fs.core.digest import EMPTY, Digest, digest_of, short
from panaversity_fs.core.errors import HashMismatch, NotFound, TooLarge, Unavailable
from panaversity_fs.core.manifest import render

Ask = Callable[[str, PlanQuestion], BuildPlan]


class Manifests:
    """The texts of one command, each made once and counted only under its own hash."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._texts: dict[Digest, bytes] = {EMPTY: b""}

    def text(self, book_id: str, manifest: Digest) -> bytes:
        """The canonical text: one to six requests, none for what was made before.

        Raises ``NotFound`` for a manifest nobody was told, ``TooLarge`` where the lists are too long for plans,
        ``Unavailable`` when the book changed in between, ``HashMismatch`` for plans that are not true.
        """
        if manifest not in self._texts:
            self._learn(book_id, manifest)
        return self._texts[manifest]

    def _learn(self, book_id: str, manifest: Digest) -> None:
        book, files = self._listed(book_id, None)
        entries = {file.path: file.current for file in files if file.current}
        self._keep(render(entries), book.manifest_hash)
        if manifest in self._texts:
            return
        plan, files = self._listed(book_id, manifest)
        if plan.warns(MANIFEST_UNKNOWN) or plan.warns(BOOK_UNKNOWN):
            raise NotFound(
                "manifest", f"{book_id} {short(manifest)}", "nobody was told this manifest", "Plan again without it",
                kind="manifest", manifest_hash=manifest,
            )  # fmt: skip
        if plan.manifest_hash != book.manifest_hash:
            raise _moved(book_id)
        for file in files:
            entries.pop(file.path, None)
            if file.target:
                entries[file.path] = file.target
        self._keep(render(entries), manifest)

    def _keep(self, text: bytes, manifest: Digest) -> None:
        if digest_of(text) != manifest:
            raise HashMismatch("manifest", short(manifest), "the plans do not lead to it", "Try again")
        self._texts[manifest] = text

    def _listed(self, book_id: str, known: Digest | None) -> tuple[BuildPlan, list[PlanFile]]:
        """A plan with every difference, put together from both halves of the book where one is too short."""

        def ask(scope: Scope) -> BuildPlan:
            return self._ask(book_id, PlanQuestion(known, scope))

        plan = ask("all")
        if not plan.truncated:
            return plan, list(plan.files)
        lessons, assets = ask("content"), ask("assets")
        if lessons.truncated or assets.truncated:
            raise TooLarge(
                "manifest", book_id, f"{plan.changed_count} files differ, more than plans list",
                "Leave out --via tools", changed=plan.changed_count,
            )  # fmt: skip
        if not plan.manifest_hash == lessons.manifest_hash == assets.manifest_hash:
            raise _moved(book_id)
        return plan, [*lessons.files, *assets.files]


def _moved(book_id: str) -> Unavailable:
    return Unavailable("manifest", book_id, "changed while it was listed", "Try again")
