"""Users in an image that has nothing but busybox, and in one that has ``useradd`` (phase 2).

The script really runs, in a changed root.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from panaversity_builder.environment.recipe import Run
from panaversity_builder.environment.recipes.accounts import ACCOUNT, users_part
from panaversity_builder.environment.settings.shape import Account

BUSYBOX, CHROOT = shutil.which("busybox"), shutil.which("chroot")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or BUSYBOX is None or CHROOT is None,
    reason="needs root, to change the root folder, and busybox-static",
)
APPLETS = ("sh", "mkdir", "cp", "cat", "rm", "tail", "chown", "chmod", "id", "su")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    (tmp_path / "bin").mkdir()
    shutil.copy(str(BUSYBOX), tmp_path / "bin" / "busybox")
    for name in APPLETS:
        (tmp_path / "bin" / name).symlink_to("busybox")
    return tmp_path


def ran(rootfs: Path, *accounts: Account) -> subprocess.CompletedProcess[str]:
    """Run the actions for these users, as a backend would; answers the last."""
    for action in users_part(accounts).actions:
        assert isinstance(action, Run)
        done = subprocess.run(
            [str(CHROOT), str(rootfs), *action.argv], env={"PATH": "/sbin:/bin"}, capture_output=True, text=True
        )
        if done.returncode != 0:
            break
    return done


def lines(rootfs: Path, name: str) -> list[str]:
    return (rootfs / "etc" / name).read_text().splitlines()


def test_users_are_made_where_there_are_no_files_of_users_yet(rootfs: Path) -> None:
    done = ran(rootfs, Account(name="ann", uid="1234", groups=("staff", "book"), shell="/bin/sh"), Account(name="bob"))
    assert done.returncode == 0, done.stderr
    assert lines(rootfs, "passwd") == [
        "root:x:0:0:root:/root:/bin/sh",
        "ann:x:1234:1234::/home/ann:/bin/sh",
        "bob:x:1002:1002::/home/bob:/bin/sh",
    ]
    assert lines(rootfs, "group") == ["root:x:0:", "ann:x:1234:", "staff:x:1000:ann", "book:x:1001:ann", "bob:x:1002:"]
    home = (rootfs / "home" / "ann").stat()
    assert (home.st_uid, home.st_gid, home.st_mode & 0o777) == (1234, 1234, 0o755)
    told = subprocess.run(
        [str(CHROOT), str(rootfs), "su", "ann", "-c", "id"], env={"PATH": "/bin"}, capture_output=True, text=True
    )
    assert told.stdout.strip() == "uid=1234(ann) gid=1234(ann) groups=1000(staff),1001(book),1234(ann)"


def test_existing_files_keep_their_other_lines_and_get_their_last_newline(rootfs: Path) -> None:
    etc = rootfs / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:1000:50::/srv:/bin/false")
    (etc / "group").write_text("root:x:0:\nstaff:x:50:web\n%odd*:x:51:")
    (etc / "shadow").write_text("root:*:1:0:9:7:::\n")
    (etc / "skel").mkdir()
    (etc / "skel" / ".profile").write_text("umask 022\n")
    assert ran(rootfs, Account(name="ann", groups=("staff",))).returncode == 0
    assert lines(rootfs, "passwd")[1:] == ["web:x:1000:50::/srv:/bin/false", "ann:x:1001:1001::/home/ann:/bin/sh"]
    assert lines(rootfs, "group") == ["root:x:0:", "staff:x:50:web,ann", "%odd*:x:51:", "ann:x:1001:"]
    assert lines(rootfs, "shadow") == ["root:*:1:0:9:7:::", "ann:!::0:99999:7:::"]
    assert (rootfs / "home/ann/.profile").stat().st_uid == 1001


def test_a_user_who_is_there_gets_groups_and_shell_and_running_twice_is_running_once(rootfs: Path) -> None:
    ann = Account(name="ann", uid="1000", groups=("book",), shell="/bin/ash")
    assert ran(rootfs, Account(name="ann", uid="1000")).returncode == 0
    assert ran(rootfs, ann).returncode == 0
    once = lines(rootfs, "passwd"), lines(rootfs, "group")
    assert ran(rootfs, ann).returncode == 0
    assert (lines(rootfs, "passwd"), lines(rootfs, "group")) == once
    assert once[0][-1] == "ann:x:1000:1000::/home/ann:/bin/ash"
    assert once[1][-1] == "book:x:1001:ann"


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (Account(name="web", uid="1001"), "user web: is there already, with the number 1000"),
        (Account(name="ann", uid="1000"), "user ann: the number 1000 is that of web"),
    ],
)
def test_a_number_that_is_somebody_elses_is_refused_and_nothing_is_changed(
    account: Account, said: str, rootfs: Path
) -> None:
    assert ran(rootfs, Account(name="web", uid="1000")).returncode == 0
    before = lines(rootfs, "passwd"), lines(rootfs, "group")
    done = ran(rootfs, account)
    assert (done.returncode, done.stderr.strip()) == (1, said)
    assert (lines(rootfs, "passwd"), lines(rootfs, "group")) == before


def test_a_home_that_is_there_already_is_left_as_it_is(rootfs: Path) -> None:
    (rootfs / "home" / "ann").mkdir(parents=True)
    (rootfs / "home" / "ann" / "mine").write_text("x")
    assert ran(rootfs, Account(name="ann")).returncode == 0
    assert (rootfs / "home" / "ann").stat().st_uid == 0


def test_where_useradd_is_it_is_asked_with_separate_words(rootfs: Path) -> None:
    (rootfs / "sbin").mkdir()
    for name, line in (("useradd", ""), ("groupadd", 'echo "$4:x:$2:" >>/etc/group')):
        tool = rootfs / "sbin" / name
        tool.write_text(f'#!/bin/sh\nprintf "%s " {name} "$@" >>/told\necho >>/told\n{line}\n')
        tool.chmod(0o755)
    done = ran(rootfs, Account(name="ann", uid="1234"))
    assert done.returncode == 0, done.stderr
    assert (rootfs / "told").read_text().splitlines() == [
        "groupadd -g 1234 -- ann ",
        "useradd -m -d /home/ann -u 1234 -g 1234 -s /bin/sh -- ann ",
    ]


def test_the_scripts_text_never_holds_a_value() -> None:
    (run,) = users_part([Account(name="ann", uid="7", groups=("book",), shell="/bin/x")]).actions
    assert isinstance(run, Run)
    assert run.argv == ("sh", "-euc", ACCOUNT, "panaversity", "ann", "7", "/bin/x", "book")
