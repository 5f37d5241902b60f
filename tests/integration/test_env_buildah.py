"""``panaversity env`` as a user meets it: the real command on buildah, with a base of one static program.

Skipped with the reason where buildah cannot be tried. What the commands say in every case is judged without it
(``test_env_command``); here images are made.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from panaversity_builder.environment.backend.buildah import Buildah
from panaversity_builder.environment.backend.choose import places
from panaversity_builder.environment.kept_images import prefix_of
from panaversity_fs.core.errors import NoSpace, PhaseFailed
from support.command import COMMAND, Outcome, clean_environ, panaversity
from support.image_lab import processes_with, why_not_buildah
from support.made_environments import Desk, made
from support.small_root import make_root

WHY_NOT = why_not_buildah()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

PHASES = ["base", "users", "env", "habitat", "files", "setup", "repos", "tools", "verify", "final"]
CONFIG = """\
build:
  base: rootfs:../root
  users: [{name: author, uid: 1700, shell: /bin/sh}, {name: reader, uid: 1701}]
  env: {GREETING: "it's $$HOME", PATH: "/opt/bin:$PATH"}
  habitat: {work_dir: /work, owner: author}
  files:
    copies: [{source: ../extra, dest: /opt/extra, owner: author, mode: "0640"}]
    volumes: [{source: ../extra, dest: /mnt/extra, readonly: true}]
  repos: [{url: ../repo, path: /opt/repo, branch: main, owner: author}]
  tools: [{name: tool, version: "1", run: "mkdir -p /opt/bin; ln -s /bin/say /opt/bin/tool"}]
  verify: ["test -f /opt/repo/lesson.md", {run: "test $(id -u) = 1701", user: reader}]
  final: {workdir: /work, user: author, command: [tool, ready]}
"""


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *words], check=True)


class Project:
    """A project with one environment; images in a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = clean_environ(PANAVERSITY_ENV_STORAGE=str(folder / "storage"), PANAVERSITY_ENV_BACKEND="buildah")
        make_root(folder / "root")
        (folder / "extra").mkdir()
        (folder / "extra" / "note").write_text("noted")
        (folder / "repo").mkdir()
        git(folder / "repo", "init", "-q", "-b", "main")
        self.lesson("one")
        (folder / "environments").mkdir()
        (folder / ".git").mkdir()
        self.configure(CONFIG)

    def configure(self, text: str) -> None:
        (self.folder / "environments" / "desk.yaml").write_text(text)

    def lesson(self, text: str) -> None:
        (self.folder / "repo" / "lesson.md").write_text(text)
        git(self.folder / "repo", "add", ".")
        git(self.folder / "repo", "commit", "-qm", text)

    def env(self, *words: str) -> Outcome:
        return panaversity("env", *words, cwd=self.folder, environ=self.environ)

    def ran(self, *words: str) -> list[str]:
        """Names of the phases that a build ran."""
        outcome = self.env("build", "desk", "--format", "json", *words)
        assert outcome.status == 0, outcome.err + outcome.out
        return [phase["name"] for phase in json.loads(outcome.out)["phases"] if phase["state"] == "ran"]

    @property
    def backend(self) -> Buildah:
        where = places(str(self.folder / "storage"))
        return Buildah(where.images, where.work)

    def left_behind(self) -> list[str]:
        """Working containers, mounts and folders of work that are still there."""
        rows = json.loads(self.backend._tool.call("containers", "--json")) or []
        work = self.folder / "storage" / "work"
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(self.folder) in line]
        return [*(row["containername"] for row in rows), *mounts, *(os.listdir(work) if work.exists() else [])]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("environment"))


@pytest.mark.timeout(240)
def test_an_environment_is_built_used_changed_and_pruned(project: Project, tmp_path: Path) -> None:
    cold = project.env("build", "desk")
    assert cold.status == 0, cold.err
    assert "First to run: 1 base (never built)" in cold.err
    assert "[70%] ✅ Cloning repositories" in cold.err
    assert "→ habitat-desk:7-repos" in cold.err
    assert "env build desk: habitat-desk:final-" in cold.out
    assert project.ran() == [], "nothing changed"

    look = "id -u; pwd; echo $GREETING; cat /opt/repo/lesson.md /mnt/extra/note; ls -l /opt/extra/note"
    used = project.env("run", "desk", "--", "sh", "-c", f"{look}; echo > /mnt/extra/x; echo complaint >&2; exit 7")
    assert used.status == 7
    assert used.out.startswith("1700\n/work\nit's $HOME\nonenoted-rw-r-----    1 author")
    assert used.err.splitlines()[-1] == "complaint"
    assert project.env("run", "desk").out == "ready\n"

    project.lesson("two")
    assert project.ran() == ["repos", "tools", "verify", "final"]
    project.configure(CONFIG.replace("verify: [", 'verify: ["echo to stdout; exit 3", '))
    failed = project.env("build", "desk")
    assert failed.status == 14
    assert "error PHASE_FAILED: env build: phase 9 verify: " in failed.err
    assert "  | to stdout" in failed.err
    assert "9-verify.log" in failed.err
    project.configure(CONFIG.replace("verify: [", 'verify: ["true", '))
    assert project.ran() == ["verify", "final"], "it resumes where it failed"
    assert project.left_behind() == []

    archive = tmp_path / "desk.tar"
    assert project.env("export", "desk", str(archive)).status == 0
    with tarfile.open(archive) as tar:
        assert "index.json" in tar.getnames()
    assert "removed 6 images" in project.env("prune").out
    assert project.ran() == []
    project.env("prune", "--all")
    assert json.loads(project.env("list", "--format", "json").out)["environments"][0]["images"] == []
    assert project.backend.images("") == []
    layers = project.folder / "storage" / "containers" / "images" / "overlay-layers" / "layers.json"
    assert not layers.exists() or json.loads(layers.read_text()) == []


HANGING = """\
build:
  base: rootfs:../root
  before: {%s: ["hang %s"]}
"""


@pytest.mark.parametrize(
    "signum",
    [signal.SIGKILL, *(pytest.param(one, marks=pytest.mark.full) for one in (signal.SIGTERM, signal.SIGINT))],
    ids=lambda signum: signum.name,
)
@pytest.mark.parametrize(
    "phase", ["users", *(pytest.param(name, marks=pytest.mark.full) for name in PHASES if name != "users")]
)
def test_a_build_that_is_stopped_takes_everything_with_it(tmp_path: Path, signum: signal.Signals, phase: str) -> None:
    project, mark, number = Project(tmp_path), uuid.uuid4().hex, PHASES.index(phase) + 1
    project.configure(HANGING % (phase, mark))
    build = subprocess.Popen(
        [*COMMAND, "env", "build", "desk"], cwd=tmp_path, env=project.environ, stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / ".panaversity" / "environments" / "desk" / "logs" / f"{number}-{phase}.log"
    deadline = time.monotonic() + 60
    while not (log.exists() and "hanging" in log.read_text()):
        assert build.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert processes_with(mark)
    second = project.env("build", "desk")
    assert second.status == 5
    assert "is being built by another command" in second.err
    build.send_signal(signum)
    build.communicate(timeout=30)
    assert build.returncode == (-signal.SIGKILL if signum is signal.SIGKILL else 130)
    deadline = time.monotonic() + 5
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(mark) == []
    if signum is not signal.SIGKILL:
        assert project.left_behind() == []
    project.configure((HANGING % (phase, mark)).replace("hang", "echo"))
    assert project.ran("--until", phase) == [phase], "what was finished before is believed"
    assert project.left_behind() == []


SECRET = """\
build:
  base: rootfs:../root
  before: {%s}
secrets: {TOKEN: {env: THE_TOKEN}}
"""
PHASES = ["base", "users", "env", "habitat", "files", "setup", "repos", "tools", "verify", "final"]


@pytest.mark.timeout(240)
def test_a_secret_used_in_every_phase_is_nowhere_afterwards(tmp_path: Path) -> None:
    project, secret = Project(tmp_path), f"s3cr3t-{uuid.uuid4().hex}"
    project.environ["THE_TOKEN"] = secret
    command = "{run: 'cat /run/secrets/TOKEN; cat /run/secrets/TOKEN >&2; sleep 0.1', secrets: [TOKEN]}"
    names = PHASES if os.environ.get("PANAVERSITY_TEST_FULL") == "1" else PHASES[:2]
    project.configure(SECRET % ", ".join(f"{name}: [{command}]" for name in names))
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            seen.extend(processes_with(secret))

    watcher = threading.Thread(target=watch)
    watcher.start()
    built = project.env("build", "desk", "-v", "--until", names[-1])
    done.set()
    watcher.join()
    assert built.status == 0, built.err
    assert seen == []
    assert secret not in built.out + built.err
    logs = tmp_path / ".panaversity" / "environments" / "desk" / "logs"
    assert all("***" in next(logs.glob(f"*-{name}.log")).read_text() for name in names)
    for image in project.backend.images(prefix_of("desk")):
        archive = tmp_path / f"{image.id}.tar"
        project.backend.export(image, str(archive))
        assert secret.encode() not in b"".join(everything_in(archive))
        assert secret not in str(image)
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret.encode() not in path.read_bytes(), path
    assert project.left_behind() == []


def everything_in(archive: Path) -> Iterator[bytes]:
    """Every blob of an OCI archive (configuration, history, manifest), and of layers every name and content."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            data = content.read()
            yield data
            content.seek(0)
            try:
                with tarfile.open(fileobj=content) as layer:
                    names = [inner.name for inner in layer]
                    assert not any(name.startswith("run/secrets/") for name in names)
                    for inner in layer.getmembers():
                        file = layer.extractfile(inner) if inner.isfile() else None
                        yield inner.name.encode() + inner.linkname.encode() + (file.read() if file else b"")
            except tarfile.ReadError:
                pass


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system is mounted")
def test_a_full_disk_is_told_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        root = make_root(tmp_path / "root")
        (root / "opt" / "large").write_bytes(os.urandom(14 << 20))
        where = places(str(small))
        desk = Desk(tmp_path, Buildah(where.images, where.work))
        environment = made()
        base = type(environment.base)("rootfs", str(root), desk.backend.resolve("rootfs", str(root)))
        with pytest.raises((NoSpace, PhaseFailed)) as failed:
            desk.build(type(environment)("docs", base, environment.recipes))
        assert isinstance(failed.value, NoSpace), failed.value
        assert failed.value.exit_status == 4
        assert desk.backend.images("") == []
        assert json.loads(desk.backend._tool.call("containers", "--json")) in (None, [])  # type: ignore[attr-defined]
        assert os.listdir(small / "work") == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
