"""The order in which calls must reach the disk before an answer may leave (RELIABILITY 3, planted bugs 1, 2, 3, 5).

Reads a trace of the shim; does not know what the program meant. A missing sync cannot be seen by killing a process,
because the kernel's memory survives it: it shows only here, and in a power cut.
"""

import os
from collections.abc import Sequence

Line = Sequence[str]
"""[number, kind, size, path, (path)]."""
SYNCS = ("sync", "syncfs")


def out_of_order(trace: Sequence[Line]) -> list[str]:
    """What was not durable when the answer left, or was named before it was durable; empty when all is in order."""
    lines = _until_answered(trace)
    wrong = [problem for at, line in enumerate(lines) for problem in _judge(lines, at, line)]
    writes = [at for at, line in enumerate(lines) if line[1] == "write" and _is_wal(line)]
    if not writes:
        return [*wrong, "nothing was written to the database before the answer"]
    if not _synced(lines[writes[-1] + 1 :], lines[writes[-1]][3]):
        wrong.append("the database's log was not synced before the answer")
    if any(line[1] == "write" and _is_wal(line) for line in trace[len(lines) :]):
        wrong.append("a transaction was written after the answer")
    return wrong


def _until_answered(trace: Sequence[Line]) -> list[Line]:
    for at, line in enumerate(trace):
        if line[1] == "mark" and line[3] == "acknowledged":
            return list(trace[:at])
    raise AssertionError("the operation was never acknowledged")


def _judge(lines: Sequence[Line], at: int, line: Line) -> list[str]:
    kind, path = line[1], line[3]
    if kind == "link":
        return _published(lines, at, path, line[4])
    if kind == "rename":
        return _published(lines, at, path, line[4])
    if kind == "unlink" and "/blobs/" in path and "/incoming/" not in path:
        return _given_up(lines, at, path)
    if kind == "mkdir":
        return _durable_name(lines, at, path)
    return []


def _published(lines: Sequence[Line], at: int, source: str, target: str) -> list[str]:
    wrong = []
    written = max((i for i in range(at) if lines[i][1] == "write" and lines[i][3] == source), default=0)
    if not _synced(lines[written + 1 : at], source):
        wrong.append(f"{_short(target)} got its name before its bytes were synced")
    if any(other[1] == "write" and other[3] in (source, target) for other in lines[at + 1 :]):
        wrong.append(f"{_short(target)} was written after it got its name")
    return wrong + _durable_name(lines, at, target)


def _durable_name(lines: Sequence[Line], at: int, path: str) -> list[str]:
    """The folder must be synced after the name came into it, and a transaction must follow that."""
    folder = os.path.dirname(path)
    synced = next((i for i in range(at + 1, len(lines)) if _synced(lines[i : i + 1], folder)), None)
    if synced is None:
        return [f"the folder of {_short(path)} was not synced"]
    if not any(line[1] == "write" and _is_wal(line) for line in lines[synced:]):
        return [f"{_short(path)} was made durable after the transaction that names it"]
    between = [i for i in range(at, synced) if lines[i][1] == "write" and _is_wal(lines[i])]
    return [f"a transaction was written before {_short(path)} was durable"] if between else []


def _given_up(lines: Sequence[Line], at: int, path: str) -> list[str]:
    """Bytes go only after the transaction that gave them up is on the disk."""
    written = [i for i in range(at) if lines[i][1] == "write" and _is_wal(lines[i])]
    if written and not _synced(lines[written[-1] + 1 : at], lines[written[-1]][3]):
        return [f"{_short(path)} was removed before the transaction that gave it up was synced"]
    return [] if written else [f"{_short(path)} was removed before any transaction gave it up"]


def _synced(lines: Sequence[Line], path: str) -> bool:
    return any(line[1] == "syncfs" or (line[1] == "sync" and line[3] == path) for line in lines)


def _is_wal(line: Line) -> bool:
    return line[3].endswith("-wal")


def _short(path: str) -> str:
    folder, name = os.path.split(path)
    return f"{os.path.basename(folder)}/{name[:12]}"
