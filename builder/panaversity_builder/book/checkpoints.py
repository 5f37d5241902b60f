"""What a builder remembers of audit logs, and the judgement whether a log it is shown is still the same one (S37).

Every build is a witness: it keeps the last checkpoint of each book it saw, sends it with its next plan and checks the
proof that comes back. Knows the seam and the form of what is kept; does not know where that lies. What is kept is a
cache, sealed with a checksum so that a damaged byte raises no false alarm: damaged or missing, the next plan is
believed as the first one was.
"""

from dataclasses import replace
from typing import Any

from panaversity_builder.book.sealed import Miss, seal, unseal
from panaversity_builder.client import BuildPlan, ChangesetAnswer, PlanQuestion, Server
from panaversity_builder.progress import Progress
from panaversity_fs.core.audit import Checkpoint, continues
from panaversity_fs.core.digest import Digest, is_digest
from panaversity_fs.core.errors import ChainBroken, InvalidArgument, PanaversityError

FORMAT = 2
_KEPT = 50
"""Logs remembered at one place; the one seen longest ago goes first."""

_Key = tuple[str, str]
"""(store id, book id): a store keeps its id when it is restored or moved, and no two have one."""


class Witness:
    """The remembered checkpoints of one place, asked about one book.

    ``dirty`` says that ``to_bytes`` has something new to keep. ``accept_rollback`` gives up what is remembered of the
    book's log on this store, with a warning, and begins anew; the server is told, for its log.
    """

    def __init__(self, kept: bytes | None, book_id: str, progress: Progress, *, accept_rollback: bool = False) -> None:
        self._kept = _parse(kept)
        self._book_id = book_id
        self._progress = progress
        self._accept = accept_rollback
        self.dirty = False

    def plan(self, server: Server, asked: PlanQuestion) -> BuildPlan:
        """Ask for a plan, with the last checkpoint as ``seen``, and judge the log that comes with it.

        One request, unless the store is another than last time. Raises ``ChainBroken`` (exit 13) when the log shrank,
        was forked, or is no longer shown.
        """
        latest = None if self._accept else self._latest()
        plan = _ask(server, self._book_id, replace(asked, seen=latest[1] if latest else None))
        key = (plan.store_id, self._book_id)
        if latest and latest[0] != key and key in self._kept:
            plan = _ask(server, self._book_id, replace(asked, seen=self._kept[key]))
        self._judge(server, key, plan)
        return plan

    def seen(self, store_id: str) -> Checkpoint | None:
        """The last checkpoint of the book on this store, to be sent along with a changeset."""
        return self._kept.get((store_id, self._book_id))

    def committed(self, store_id: str, answer: ChangesetAnswer) -> None:
        """Remember the log as our own commit left it, if the answer proves that it continues the one we knew.

        Without a proof the older checkpoint stays, and the next plan is measured against that.
        """
        key, now = (store_id, self._book_id), answer.checkpoint
        old = self._kept.get(key)
        if now is None or now.book_id != self._book_id:
            return
        if old is None or (now.size > old.size and not continues(old, now, answer.proof)):
            self._remember(key, now)

    def to_bytes(self) -> bytes:
        """What is to be kept."""
        logs = [{"store_id": store, **checkpoint.to_wire()} for (store, _), checkpoint in self._kept.items()]
        return seal({"format": FORMAT, "logs": logs}, readable=True)

    def _latest(self) -> tuple[_Key, Checkpoint] | None:
        ours = [item for item in self._kept.items() if item[0][1] == self._book_id]
        return ours[-1] if ours else None

    def _judge(self, server: Server, key: _Key, plan: BuildPlan) -> None:
        old, now = self._kept.get(key), plan.checkpoint
        if old is not None and self._accept:
            if now != old:
                size = f"{now.size} entries now" if now else "none now"
                self._progress.warn(f"audit: what was known of the log of {self._book_id} is given up: {size}")
                if now is not None:
                    self._own_up(server, old, plan)
            del self._kept[key]
            self._accept, self.dirty = False, True
        elif old is not None:
            self._compare(old, now, plan)
        if now is not None and now.book_id == self._book_id:
            self._remember(key, now)

    def _own_up(self, server: Server, old: Checkpoint, plan: BuildPlan) -> None:
        """Have the server write down that we go on (DESIGN 9). Ours stands whatever comes of it."""
        seen = {"incarnation": old.incarnation, "size": old.size, "root": old.root}
        asked = {"target_manifest_hash": plan.manifest_hash, "checkpoint": seen, "accept_rollback": True}
        try:
            server.call("plan_build", {"book_id": self._book_id, **asked})
        except PanaversityError as fault:
            self._progress.warn(f"audit: the server's log of {self._book_id} does not tell of it ({fault.code})")

    def _compare(self, old: Checkpoint, now: Checkpoint | None, plan: BuildPlan) -> None:
        if now is None or now.book_id != self._book_id:
            problem = f"the server no longer shows the log, of which {old.size} entries were seen before"
        elif now.incarnation > old.incarnation:
            self._progress.warn(f"audit: {self._book_id} was deleted and made again; its log begins anew")
            return
        else:
            problem = continues(old, now, plan.proof)
        if problem:
            raise ChainBroken(
                "audit", self._book_id, f"the server's log was rolled back or rewritten: {problem}",
                "Find out why before you go on; after an honest restore say --accept-rollback",
                book_id=self._book_id, expected=old.to_wire(), actual=now.to_wire() if now else None,
            )  # fmt: skip

    def _remember(self, key: _Key, now: Checkpoint) -> None:
        if next(reversed(self._kept), None) == key and self._kept[key] == now:
            return
        self._kept.pop(key, None)
        self._kept[key] = now
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        self.dirty = True


def _ask(server: Server, book_id: str, asked: PlanQuestion) -> BuildPlan:
    try:
        return server.plan_build(book_id, asked)
    except InvalidArgument:
        if (plain := PlanQuestion(asked.known, asked.scope)) == asked:
            raise
        return server.plan_build(book_id, plain)  # a server too old to know the rest, for all we know


def _parse(data: bytes | None) -> dict[_Key, Checkpoint]:
    try:
        body = unseal(data or b"")
        if body["format"] != FORMAT:
            return {}
        return {(str(log["store_id"]), str(log["book_id"])): _checkpoint(log) for log in body["logs"]}
    except (Miss, ValueError, TypeError, KeyError):
        return {}


def _checkpoint(log: dict[str, Any]) -> Checkpoint:
    incarnation, size, root = log["incarnation"], log["size"], log["root"]
    if type(incarnation) is not int or type(size) is not int or size < 0 or not is_digest(root):
        raise ValueError("not a checkpoint")
    return Checkpoint(str(log["book_id"]), incarnation, size, Digest(root), str(log["time"]))
