"""Single values: what is taken and what is refused, because a program would read it as something else."""

from collections.abc import Callable
from typing import Any

import pytest

from panaversity_builder.environment.settings import words

TAKEN: list[tuple[Callable[[Any], Any], list[str]]] = [
    (words.user, ["ann", "_apt", "www-data", "a1"]),
    (words.owner, ["ann", "ann:book", "0", "1000:1000", "ann:50"]),
    (words.apt, ["git", "g++", "libc6:i386", "git=1:2.39.2-1~bpo12+1", "vim/bookworm-backports", "libstdc++6"]),
    (words.npm, ["a", "left-pad", "@scope/a", "@scope/a@1.2.3", "node@20", "a@^1.0.0", "a@>=1", "a@latest", "a@1.x"]),
    (words.version, ["1", "1.10", "v2.0-rc.1", "20.x", ">=1 <2", "latest"]),
    (words.branch, ["main", "feature/x-1", "v1.0", "0" * 40, "release#2", "_x", "@user/x"]),
    (
        words.image,
        ["debian", "debian:12", "a/b_c/d-e:1.0", "quay.io:5000/a:x", "x@sha256:" + "0" * 64, "localhost/a:b"],
    ),
    (words.image, ["./rootfs", "../x", "/x", "~/x", "rootfs:x", "oci:a b", "oci-archive:./x.tar"]),
    (
        words.url,
        [
            "https://example.org/a/b.git",
            "http://h:8080/x",
            "ssh://git@example.org/a",
            "ssh://example.org:22/a",
            "git@example.org:a/b.git",
            "git://h/x",
            "file:///srv/x",
            "./x",
            "../x y",
            "/srv/x",
            "~/x",
        ],
    ),
    (words.below_root, ["/a", "/a/b", "/a b", "/é", "/..a", "/a..b"]),
    (words.name, ["desk", "a1-b", "a.b", "a_b", "a__b", "0"]),
    (words.secret, ["token", "A_B", "x.y-z", "1"]),
    (words.label, ["node", "@scope/x", "a+b", "A.b_c"]),
]
REFUSED: list[tuple[Callable[[Any], Any], list[str]]] = [
    (words.user, ["", "Ann", "-a", "1a", "a b", "a:b", "a\n", "a" * 33, "ä", "a/b", "$a", "a;id"]),
    (words.owner, ["", ":", "ann:", ":book", "a:b:c", "-1", "ann book", "ann\n", "Ann", "1" * 11]),
    (words.apt, ["", "-y", "--x", "vim-", "a b", "a;b", "A", "a=", "a=-1", "a=1-", "./a.deb", "/a.deb", "a*", "a\n"]),
    (
        words.npm,
        ["", "-g", "--x", "a b", "./a", "/a", "../a", "git+ssh://h/x", "https://h/x", "a@", "a@-1", "A", "a\n"],
    ),
    (words.version, ["", "-1", "--x", "a;b", "$(id)", "a\nb", "1" * 101]),
    (
        words.branch,
        ["", "-x", "--x", "a..b", "a b", "a\n", ".a", "a/", "a//b", "a.lock", "a@{1}", "@", "a^", "a:b", "a~1", "*"],
    ),
    (
        words.image,
        ["", " ", "Debian", "-x", "a b", "a:b:c:d", "a@sha256:1", "a;b", "x\n", "rootfs:", "docker://", "./x\n"],
    ),
    (
        words.url,
        [
            "",
            "-x",
            "--upload-pack=id",
            "x",
            "ext::sh -c id",
            "fd::0",
            "https://u:p@h/x",
            "https://token@h/x",
            "ssh://u:p@h/x",
            "ssh://-oProxyCommand=id/x",
            "ssh://-x@h/x",
            "https:///x",
            "git@-oProxyCommand=id:x",
            "-x@h:y",
            "git@h:-x",
            "ftp://h/x",
            "https://h/x\n",
            "javascript:x",
        ],
    ),
    (words.below_root, ["", "/", "a", "./a", "/a/../b", "/..", "/a/./b", "//a", "/a//b", "/a\n", "/a\0", "\\a", "~"]),
    (words.name, ["", "A", "a b", "-a", "a-", "a..b", "a/b", "..", "a\n", "a" * 101, "é", "a---._b"]),
    (words.secret, ["", ".", "..", "a/b", "a b", "-a", "../x", "a\n"]),
    (words.label, ["", "-a", "a b", "a\n", "$x", "a" * 101]),
    (words.line, ["", " ", "a\nb", "\x1b[0m", "a\u202eb"]),
    (words.switch, ["", "1", "y", "maybe"]),
    (words.mode, ["", "8", "64", "0o", "999", "-1", "77777", "rw", "0x1f", "６４４"]),
    (words.seconds, ["", "-1", "0", "0s", "1d", "1 m", "inf", "nan", "1e3", "99999999h"]),
    (words.number, ["", "-1", "1.0", "1_0", "0x1", "abc", "4294967295", "１"]),
    (words.variable, ["", "1a", "a-b", "a b", "A=", "é", "A\n"]),
    (words.script, ["", " \n", "x" * 100_001]),
    (words.argument, ["x" * 60_001, "é" * 30_001]),
]


@pytest.mark.parametrize(("read", "value"), [(read, value) for read, values in TAKEN for value in values])
def test_a_value_is_taken_as_it_is(read: Callable[[str], str], value: str) -> None:
    assert read(value) == value


@pytest.mark.parametrize(("read", "value"), [(read, value) for read, values in REFUSED for value in values])
def test_a_value_is_refused_with_a_reason(read: Callable[[str], str], value: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|names) "):
        read(value)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (words.mode, "644", 0o644),
        (words.mode, "0644", 0o644),
        (words.mode, "0o644", 0o644),
        (words.mode, "4755", 0o4755),
        (words.seconds, "90", 90.0),
        (words.seconds, "1.5s", 1.5),
        (words.seconds, "10m", 600.0),
        (words.seconds, "2h", 7200.0),
        (words.number, "0", 0),
        (words.number, "4294967294", 2**32 - 2),
        (words.switch, "Yes", True),
        (words.switch, "off", False),
        (words.below_root, "/a/", "/a"),
        (words.destination, "/a/", "/a/"),
        (words.inside, "/", "/"),
        (words.image, "docker://debian:12", "debian:12"),
    ],
)
def test_a_value_has_one_meaning(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value
