"""The steps of the build action: packages, the caches of Docusaurus, the build, and one more try without them.

Knows where a site keeps its packages and caches; does not know how a site is built.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caching
from book_stages import content_cache, require_known, require_lines
from commands import panaversity, run
from inputs import Refused
from scene import Scene, command, say

from panaversity_builder.book.report import REPORT
from panaversity_builder.book.site import LOCKFILES, site_environ
from panaversity_builder.config import SITE_CONFIGS
from panaversity_fs.core.errors import PhaseFailed

NPM_LOCKS = LOCKFILES[:2]
CACHES = ("rspack", "incremental-ssg")
"""Folders of ``node_modules/.cache`` that make a later build quicker."""


def prepare(scene: Scene) -> int:
    """Install the packages, then say which caches are restored and saved.

    In this order: ``npm ci`` empties ``node_modules``, and with it any cache restored before.
    """
    status = _install(scene)
    return status or content_cache(scene) or _site_cache(scene)


def _install(scene: Scene) -> int:
    wish = scene.given.choice("npm-ci", "auto")
    if wish == "false":
        return 0
    lock = next((path for path in _upwards(scene, NPM_LOCKS)), None)
    if lock is None:
        if wish == "true":
            raise Refused("input npm-ci", "there is no package-lock.json", "Commit one, or install before this action")
        return 0
    if wish == "auto" and (lock.parent / "node_modules").is_dir():
        say("npm ci: left out, the packages are there already")
        return 0
    if (npm := shutil.which("npm", path=scene.environ.get("PATH"))) is None:
        raise Refused("npm", "is not installed", "Let actions/setup-node run before this action")
    command("group", "npm ci")
    environ = site_environ(scene.environ)  # what packages run while they are installed is nobody's we know
    status = run([npm, "ci", "--no-audit", "--no-fund"], environ, str(lock.parent))
    command("endgroup")
    if status:
        raise Refused("npm ci", f"failed with status {status}", "Its output is above", PhaseFailed.exit_status)
    return 0


def _site_cache(scene: Scene) -> int:
    wanted = scene.given.is_on("docusaurus-cache", True)
    same = [scene.relative(scene.config.site_dir), *_digests(scene)]
    keys = caching.keys("site", [scene.job.system], same, scene.given, scene.job)
    paths = [scene.relative(str(path)) for path in _caches(scene)]
    restore = wanted and caching.is_restored(scene.job, scene.given)
    save = wanted and caching.is_saved(scene.job, scene.given)
    if restore or save:
        require_lines(paths, "site-dir")
    scene.output(
        site_path="\n".join(paths),
        site_key=keys.key,
        site_restore_keys=keys.restore,
        site_restore=restore,
        site_save=save,
    )
    return 0


def _digests(scene: Scene) -> Iterator[str]:
    """What a cache of Docusaurus must agree with: the packages, the configuration."""
    lock = next(_upwards(scene, LOCKFILES), None)
    configs = (Path(scene.config.site_dir, name) for name in SITE_CONFIGS)
    for path in filter(None, (lock, *configs)):
        if path.is_file():
            yield f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _upwards(scene: Scene, names: tuple[str, ...]) -> Iterator[Path]:
    """The files of these names from the site up to the workspace, the nearest first."""
    site, workspace = Path(os.path.realpath(scene.config.site_dir)), Path(scene.workspace)
    for folder in (site, *site.parents):
        yield from (path for name in names if (path := folder / name).is_file())
        if folder == workspace:
            return


def _caches(scene: Scene) -> list[Path]:
    return [Path(scene.config.site_dir, "node_modules", ".cache", name) for name in CACHES]


def build(scene: Scene) -> int:
    """Build the site; if that fails with caches of an earlier job, once more without them."""
    scene.log_in()
    ingesting = scene.given.is_on("ingest")
    if not ingesting:
        require_known(scene)
    wish = scene.given.text("remote-cache")
    remote = [] if not wish else ["--remote-cache" if scene.given.is_on("remote-cache") else "--no-remote-cache"]
    words = ["build", *([] if ingesting else ["--no-ingest"]), *remote, *scene.given.flags()]
    status = _built(scene, words)
    _tell(scene)
    return status


def _built(scene: Scene, words: list[str]) -> int:
    if not scene.environ.get("SITE_CACHE_RESTORED"):
        return panaversity(words, scene.environ)
    status = _tried(scene, words)
    if status != PhaseFailed.exit_status:
        return status
    command("warning", "the build failed with restored caches of Docusaurus; it is tried once more without them")
    for folder in _caches(scene):
        shutil.rmtree(folder, ignore_errors=True)
    scene.output(retried=True)
    return panaversity(words, scene.environ)


def _tried(scene: Scene, words: list[str]) -> int:
    """A build whose outputs and summary count only if there is no other try."""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: os.path.join(folder, name)
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY") if scene.environ.get(name)
        }  # fmt: skip
        status = panaversity(words, {**scene.environ, **files})
        if status != PhaseFailed.exit_status:
            for name, path in files.items():
                if os.path.exists(path):
                    with open(scene.environ[name], "ab") as file:
                        file.write(Path(path).read_bytes())
    return status


def _tell(scene: Scene) -> None:
    """Say what of the caches is worth saving: a book that came whole, a site that was rendered."""
    report = _report(scene)
    states = {phase["name"]: phase["state"] for phase in report.get("phases", ())}
    moved = any(report.get(word) for word in ("added", "updated", "deleted"))
    scene.output(
        site_dir=os.path.join(scene.config.site_dir, "build"),
        hydrated=states.get("hydrate") == "ran" and moved,
        rendered=states.get("docusaurus") == "ran",
    )


def _report(scene: Scene) -> dict[str, Any]:
    """The report of the run that just ended; empty if there is none."""
    try:
        found = json.loads(Path(scene.config.state_dir, REPORT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
