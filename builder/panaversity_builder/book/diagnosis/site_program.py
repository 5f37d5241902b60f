"""The site's own check of its configuration: ``book-check`` of the npm package, run where Node and the package are.

It loads the configuration as Docusaurus does, so it also sees what a configuration computes. Knows how it is run and
what it answers; does not know what it checks. Never raises.
"""

import json
import os
import subprocess
from typing import Any, Final

from panaversity_builder.book.diagnosis.facts import Finding, Level
from panaversity_builder.book.site import Site, find_upward, node_command
from panaversity_fs.core.errors import PanaversityError
from panaversity_fs.core.paths import shown

PROGRAM: Final = os.path.join("node_modules", "learn-app-hooks", "bin", "book-check.js")
SECONDS: Final = 60.0
_LEVELS: Final[tuple[Level, ...]] = ("ok", "warning", "problem")


def site_findings(site: Site) -> tuple[Finding, ...]:
    """What the check says of a site; nothing where Node or the package is not installed."""
    program = find_upward(site.folder, (PROGRAM,))
    if program is None:
        return ()
    try:
        command = [node_command(site), program, site.folder, "--output-dir", site.docs, "--format", "json"]
        done = subprocess.run(  # noqa: S603 — found on the PATH, no shell, our own arguments
            command, cwd=site.folder, env=dict(site.environ), capture_output=True, timeout=SECONDS, check=False
        )
        return tuple(map(_finding, json.loads(done.stdout)["findings"]))
    except PanaversityError:
        return ()  # no Node: said by another check
    except (OSError, subprocess.SubprocessError) as fault:
        return (_silent(type(fault).__name__),)
    except (ValueError, KeyError, TypeError, RecursionError):
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        return (_silent(f"status {done.returncode}" + (f", {shown(said)}" if said else "")),)


def _finding(body: Any) -> Finding:
    """Raises ``TypeError``, ``ValueError`` or ``KeyError`` for another form."""
    texts = (body["check"], body["says"], body["do"] or "", *body["listed"])
    if not all(isinstance(text, str) for text in texts) or type(body["exit_status"]) is not int:
        raise TypeError("not the form of a finding")
    check, says, do, *listed = map(shown, texts)
    level: Level = _LEVELS[_LEVELS.index(body["level"])]
    return Finding(check, level, says, do, body["exit_status"], tuple(listed))


def _silent(why: str) -> Finding:
    return Finding("site check", "warning", f"book-check of learn-app-hooks did not answer ({why})", "Run it by itself")
