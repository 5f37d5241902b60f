"""One step of an action: ``python step ACTION STAGE``, the inputs as JSON in ``INPUTS``.

The edge: whatever goes wrong leaves as one annotation and an exit status of the command's own list (DESIGN 10).
"""

import os
import sys
from collections.abc import Callable, Mapping
from importlib import metadata

import book_stages
import site_stages
from inputs import Refused
from scene import Scene, command, scene

from panaversity_fs.core.errors import PanaversityError

BUG = 70


def setup(scene: Scene) -> int:
    """Say which version is installed, and that it is the one that is expected."""
    version, wanted = metadata.version("panaversity-fs"), scene.given.text("version")
    if wanted and wanted != version:
        raise Refused("input version", f"this action brings {version}", "Pin the commit of the version you want")
    scene.output(version=version, python_path=sys.executable)
    print(f"panaversity {version}")
    return 0


STAGES: Mapping[tuple[str, str], Callable[[Scene], int]] = {
    ("setup", "check"): setup,
    ("ingest", "run"): book_stages.ingest,
    ("hydrate", "cache"): book_stages.content_cache,
    ("hydrate", "run"): book_stages.hydrate,
    ("build", "prepare"): site_stages.prepare,
    ("build", "run"): site_stages.build,
    ("manifest-diff", "run"): book_stages.difference,
}


def main(words: list[str], environ: Mapping[str, str]) -> int:
    """Run one stage of one action; the exit status."""
    action, stage = words
    try:
        return STAGES[action, stage](scene(action, environ))
    except Refused as error:
        command("error", f"{action}: {error}", title="INVALID_ARGUMENT" if error.status == 2 else "FAILED")
        return error.status
    except PanaversityError as error:
        command("error", str(error), title=error.code)
        return error.exit_status
    except Exception as error:  # noqa: BLE001 — the outer edge: what is unexpected here is a bug and leaves as one
        where = f"{type(error).__name__}: {error}"
        command("error", f"{action}: {where}: this is a bug in the action. Please report it.", title="INTERNAL")
        return BUG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
