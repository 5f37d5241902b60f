"""Random programs over a book: every verb of the library, told and answered as plain values (F29, P15).

A program is drawn from a seed alone; running it on a library gives a list of values in which nothing is left that may
differ between two engines: names of stores and media. Knows the library's front door; judges nothing.
"""

import dataclasses
import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from panaversity_fs.core.changes import Delete
from panaversity_fs.core.digest import EMPTY, Digest, digest_of
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.mapping import Numbering
from panaversity_fs.core.schema import Schema
from panaversity_fs.library import Caller, Library
from panaversity_fs.library.keeping import Policy
from panaversity_fs.store.audit_rows import AuditFilter
from support.stores import ingest, pieces

STEPS = 24
_PATHS = (
    "content/01-Part/01-Chapter/01-one.md", "content/01-Part/01-Chapter/02-two.md", "content/02-Teil/01-Käse/01-öl.md",
    "content/01-Part/01-Chapter/01-One.md", "static/img/01-Part/01-Chapter/x.png", "static/img/a_b/@/100%.png",
    "content/zz.md", "content/Z_1.md", "content/a.b/c.md", "content/01-Part/01-Chapter", "../escape.md",
)  # fmt: skip
"""Few, so that programs meet themselves; names that other collations sort otherwise, that fold, that LIKE reads as
patterns, that clash as folder and file, and one that is no path."""
_TEXTS = (b"", b"# One\n", b"# Two\r\nwith % and _\n", "# Käse\nÖl\n".encode(), b"x" * 70_000, b"\xff\xfe not text")
_USERS = ("__base__", "__base__", "__base__", "ann", "Ann", "bob|1")
_AGENTS = ("agent-1", "agent-2")
_SECRET = frozenset({"store_id", "storage_backend", "backend"})

Step = tuple[str, dict[str, Any]]


def program(seed: int) -> list[Step]:
    """The steps of one program: what chance wants, then the whole book and its log."""
    chance = random.Random(seed)
    verbs = [*chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=STEPS), *_LAST]
    return [(verb, _words(chance)) for verb in verbs]


def _words(chance: random.Random) -> dict[str, Any]:
    return {
        "path": chance.choice(_PATHS), "data": chance.choice(_TEXTS), "user": chance.choice(_USERS),
        "agent": chance.choice(_AGENTS), "which": chance.choice(("right", "right", "none", "wrong")),
        "key": chance.choice((None, None, f"key-{chance.randrange(4)}")), "chance": chance.random(),
        "paths": chance.sample(_PATHS, 3), "texts": [chance.choice(_TEXTS) for _ in range(3)],
    }  # fmt: skip


_WEIGHTS: Mapping[str, int] = {
    "write": 10, "append": 3, "edit": 3, "delete": 4, "changeset": 5, "put": 2, "create": 1, "end": 1, "restore": 2,
    "read": 4, "list": 3, "glob": 2, "grep": 2, "history": 2, "revisions": 1, "compare": 1, "plan": 4, "delta": 2,
    "archive": 1, "books": 1, "validate": 1, "audit": 2, "verify": 1, "checkpoint": 1, "collect": 2, "metadata": 1,
}  # fmt: skip
_TAKEN = ("blobs", "condemned", "leftovers", "pins", "promises", "strays", "trouble")
_LAST = ("verify", "plan", "list", "log")


@dataclass
class Run:
    """One program on one library. ``clock`` and ``token`` are the library's too: they depend on the step alone."""

    library: Library
    book: str
    clock: "StepClock"
    told: list[Digest] = field(default_factory=list)

    async def go(self, steps: list[Step]) -> list[Any]:
        """What each step answered, or the code and the details of its refusal."""
        answers = []
        for number, (verb, words) in enumerate(steps):
            self.clock.step += 1
            try:
                answer = plain(await _VERBS[verb](self, words))
            except PanaversityError as refusal:
                answer = {"refused": refusal.code, "problem": refusal.problem, "details": plain(refusal.details)}
            answers.append([number, verb, answer])
        return answers

    async def log(self, _w: dict[str, Any]) -> Any:
        return await self.library.audit_entries(self.book, AuditFilter(), (0, 0), 1000)

    def caller(self, words: dict[str, Any]) -> Caller:
        return Caller("local", words["agent"])

    async def expected(self, words: dict[str, Any]) -> Digest | None:
        """The digest that is there, none, or another."""
        if words["which"] == "none":
            return None
        if words["which"] == "wrong":
            return digest_of(b"never written")
        try:
            return (await self.library.entry(self.book, words["path"], words["user"])).sha256
        except PanaversityError:
            return None

    async def write(self, w: dict[str, Any]) -> Any:
        return await self.library.write(
            self.book, w["path"], w["data"], self.caller(w), expected=await self.expected(w), user_id=w["user"],
            idempotency_key=w["key"],
        )  # fmt: skip

    async def append(self, w: dict[str, Any]) -> Any:
        return await self.library.append(
            self.book, w["path"], b"+\n", self.caller(w), expected=await self.expected(w), user_id=w["user"]
        )

    async def edit(self, w: dict[str, Any]) -> Any:
        return await self.library.edit(
            self.book, w["path"], b"# ", b"## ", self.caller(w), expected=await self.expected(w) or EMPTY,
            user_id=w["user"],
        )  # fmt: skip

    async def delete(self, w: dict[str, Any]) -> Any:
        return await self.library.delete(
            self.book, w["path"], self.caller(w), expected=await self.expected(w), user_id=w["user"]
        )

    async def changeset(self, w: dict[str, Any]) -> Any:
        here = {entry.path: entry.sha256 for entry in await self._entries("content/")}
        writes = dict(zip(w["paths"][:2], w["texts"], strict=False))
        gone = [Delete(path, here.get(path)) for path in w["paths"][2:]]
        settings: dict[str, object] = {}
        if w["chance"] < 0.4:
            settings = {"schema": Schema.DOCUSAURUS, "numbering": Numbering.NUMBER_NAME}
        answer = await ingest(
            self.library, writes, deletes=gone, expected={p: here[p] for p in writes if p in here},
            caller=self.caller(w), book=self.book, key=w["key"], with_manifest=True, **settings,
        )  # fmt: skip
        self.told.append(answer.manifest_hash or EMPTY)
        return answer

    async def _entries(self, prefix: str, user: str = "__base__") -> Any:
        try:
            return await self.library.entries(self.book, prefix, user)
        except PanaversityError:
            return []

    async def put(self, w: dict[str, Any]) -> Any:
        data = w["data"]
        return await self.library.put_blob(self.book, digest_of(data), self.caller(w), pieces(data), len(data))

    async def create(self, w: dict[str, Any]) -> Any:
        return await self.library.create_book(self.book, self.caller(w), Schema.DOCUSAURUS, idempotency_key=w["key"])

    async def end(self, w: dict[str, Any]) -> Any:
        return await self.library.delete_book(self.book, self.book, self.caller(w))

    async def restore(self, w: dict[str, Any]) -> Any:
        which = str(int(w["chance"] * 6))
        return await self.library.restore(
            self.book, w["path"], which, self.caller(w), expected=await self.expected(w), user_id=w["user"]
        )

    async def read(self, w: dict[str, Any]) -> Any:
        entry, blob = await self.library.open_entry(self.book, w["path"], w["user"])
        return entry, await blob.whole(1 << 20)

    async def list(self, w: dict[str, Any]) -> Any:
        prefix = ("content/", "static/", "content/01-Part/", "static/img/a_b/", "content/Z_")[int(w["chance"] * 5)]
        return await self.library.entries(self.book, prefix, w["user"])

    async def glob(self, w: dict[str, Any]) -> Any:
        pattern = ("**/*.md", "content/*", "**/[a-z]*.md", "static/**", "**/{01,02}-*.md")[int(w["chance"] * 5)]
        return await self.library.glob_search(self.book, pattern, 3, user_id=w["user"])

    async def grep(self, w: dict[str, Any]) -> Any:
        pattern = ("^# ", "[ÖK]", "%", "(", "two$")[int(w["chance"] * 5)]
        return await self.library.grep_search(self.book, pattern, 4, user_id=w["user"])

    async def history(self, w: dict[str, Any]) -> Any:
        return await self.library.history(self.book, w["path"], w["user"], limit=5)

    async def revisions(self, w: dict[str, Any]) -> Any:
        return await self.library.revisions(self.book, limit=7)

    async def compare(self, w: dict[str, Any]) -> Any:
        return await self.library.compare(self.book, w["path"], "1", "2", w["user"])

    async def plan(self, w: dict[str, Any]) -> Any:
        known = (None, EMPTY, digest_of(b"never told"), *self.told[-3:])
        scope = ("all", "content", "assets")[int(w["chance"] * 3)]
        answer = await self.library.plan(self.book, known[int(w["chance"] * len(known))], scope)  # type: ignore[arg-type]
        self.told.append(answer.manifest_hash)
        return answer

    async def delta(self, w: dict[str, Any]) -> Any:
        since = self.clock.at(int(w["chance"] * self.clock.step))
        return await self.library.delta(self.book, since.isoformat())

    async def archive(self, w: dict[str, Any]) -> Any:
        archive = await self.library.open_archive(self.book)
        whole = hashlib.sha256()
        async for piece in archive.stream():
            whole.update(piece)
        return whole.hexdigest()

    async def books(self, w: dict[str, Any]) -> Any:
        return await self.library.list_books(self.book)

    async def validate(self, w: dict[str, Any]) -> Any:
        return await self.library.validate(self.book, strict=w["chance"] < 0.5)

    async def audit(self, w: dict[str, Any]) -> Any:
        wanted = (
            AuditFilter(agent_id=w["agent"]), AuditFilter(path="content/"), AuditFilter(path="static/img/a_b/*.png"),
            AuditFilter(operation="write_content", until=self.clock.at(self.clock.step // 2)),
            AuditFilter(users=("ann",)),
        )[int(w["chance"] * 5)]  # fmt: skip
        return await self.library.audit_entries(self.book, wanted, (0, 0), 4)

    async def verify(self, w: dict[str, Any]) -> Any:
        return await self.library.verify_audit(self.book)

    async def checkpoint(self, w: dict[str, Any]) -> Any:
        return await self.library.checkpoint(self.book)

    async def collect(self, w: dict[str, Any]) -> Any:
        found = [plain(one) async for one in self.library.collect(Policy(), really=True, book_id=self.book)]
        return [one for one in found if any(one[name] for name in _TAKEN)]  # a folder remembers that it held something

    async def metadata(self, w: dict[str, Any]) -> Any:
        return await self.library.manifest_metadata(self.book, self.told[-1] if self.told else EMPTY)


_VERBS: dict[str, Callable[[Run, dict[str, Any]], Any]] = {verb: getattr(Run, verb) for verb in (*_WEIGHTS, *_LAST)}


class StepClock:
    """A time for each step: whatever is done within it happens at once, however often somebody looks."""

    def __init__(self) -> None:
        self.step = 0

    def at(self, step: int) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=step)

    def __call__(self) -> datetime:
        return self.at(self.step)


def plain(value: Any) -> Any:
    """A value of the library as plain values that can be compared and printed; bytes as their digest."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.name not in _SECRET]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, bytes):
        return f"{len(value)} bytes {digest_of(value)[:12]}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str) if key not in _SECRET}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=str)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
