"""A root file system of one static program, with the few words that tests of images speak; and the same in Python.

Knows busybox; does not know backends. ``words`` are programs of the memory backend, the files ``/bin/<word>`` those of
a real container.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from panaversity_builder.environment.backend.memory import Hang, Machine

BUSYBOX = "/bin/busybox"
APPLETS = "[ cat chmod chown cp date echo env false grep head id ln ls mkdir mv printenv ps pwd rm sed setsid sh sleep"
MORE_APPLETS = "tail test touch tr true wc which xargs"

SCRIPTS = {
    "put": 'printf %s "$2" > "$1"',
    "show": 'cat "$@"',
    "take": 'cat > "$1"',
    "vars": """for name; do eval "printf '%s\\036' \\"\\${$name}\\""; done""",
    "me": 'echo "$(id -u) $(pwd)"',
    "fail": 'exit "$1"',
    "say": 'for word; do printf "%s\\n" "$word"; done',
    "grumble": 'for word; do printf "%s\\n" "$word" >&2; done',
    "hang": """trap '' TERM INT HUP
        echo hanging
        (setsid sh -c 'trap "" TERM; while :; do sleep 5; done' "$1" &)
        while :; do sleep 5; done""",
}
"""Shell programs by name. ``hang MARK`` never ends, is deaf, and starts another one like it in a session of its own."""


def make_root(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """A root file system in this folder, with these files besides."""
    for name in ("bin", "etc", "tmp", "root", "opt"):
        (folder / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin" / "busybox")
    for applet in f"{APPLETS} {MORE_APPLETS}".split():
        os.symlink("busybox", folder / "bin" / applet)
    for name, text in SCRIPTS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nann:x:1500:1600:Ann:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\nwriters:x:1600:\n")
    (folder / "tmp").chmod(0o1777)
    for path, text in (files or {}).items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def _put(machine: Machine) -> int:
    machine.files[machine.argv[1]] = machine.argv[2].encode()
    return 0


def _show(machine: Machine) -> int:
    for path in machine.argv[1:]:
        if path not in machine.files:
            machine.out.extend(b"no such file\n")
            return 1
        machine.out.extend(machine.files[path])
    return 0


def _take(machine: Machine) -> int:
    machine.files[machine.argv[1]] = machine.stdin
    return 0


def _vars(machine: Machine) -> int:
    machine.out.extend("".join(machine.env.get(name, "") + "\x1e" for name in machine.argv[1:]).encode())
    return 0


def _me(machine: Machine) -> int:
    number = {"root": "0", "0:0": "0", "ann": "1500"}.get(machine.user, machine.user)
    machine.out.extend(f"{number} {machine.cwd}\n".encode())
    return 0


def _fail(machine: Machine) -> int:
    return int(machine.argv[1])


def _say(machine: Machine) -> int:
    machine.out.extend("".join(f"{word}\n" for word in machine.argv[1:]).encode())
    return 0


def _hang(machine: Machine) -> int:
    machine.out.extend(b"hanging\n")
    raise Hang


WORDS: dict[str, Callable[[Machine], int]] = {
    "put": _put,
    "show": _show,
    "take": _take,
    "vars": _vars,
    "me": _me,
    "fail": _fail,
    "say": _say,
    "grumble": _say,
    "hang": _hang,
}
"""The same words as programs of the memory backend."""
