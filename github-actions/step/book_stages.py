"""The steps that move a book: ingest, hydrate, and what tells of both beforehand (cache keys, differences).

Each is a function from a scene to an exit status. Knows which words of the command an input leads to; does not know
how the command does its work.
"""

import json
from collections.abc import Iterable

import caching
from commands import answer, panaversity
from inputs import Refused
from scene import Scene, command, say

SOURCE = "source"
"""As ``to`` of a comparison: the checkout, as an ingest would bring it."""


def ingest(scene: Scene) -> int:
    """Make the book equal the source, or say what that would do."""
    scene.log_in()
    return panaversity(["ingest", *scene.given.flags()], scene.environ)


def content_cache(scene: Scene) -> int:
    """Say whether a hydrated folder is restored and saved, where it lies and under which keys.

    Manifest and files are one entry: a manifest without its files would say "unchanged" about nothing (FR-303).
    """
    config = scene.config
    book, folder = config.require_book(scene.action), scene.relative(config.output_dir)
    same = (scene.server_url, folder, config.tree, config.scope)
    keys = caching.keys("book", [book], same, scene.given, scene.job)
    paths = [folder] if config.manifest_file is None else [folder, scene.relative(config.manifest_file)]
    restore, save = caching.is_restored(scene.job, scene.given), caching.is_saved(scene.job, scene.given)
    if restore or save:
        require_lines(paths, "output-dir")
    scene.output(path="\n".join(paths), key=keys.key, restore_keys=keys.restore, restore=restore, save=save)
    return 0


def require_lines(paths: Iterable[str], name: str) -> None:
    """A cache takes paths line by line, and reads some of them as patterns. Raises ``Refused``, naming the input."""
    for path in paths:
        if not path.isprintable() or path[:1] in ("!", "#", "~") or any(sign in path for sign in "*?["):
            problem = "holds signs that a cache would read as a pattern"
            raise Refused(f"input {name}", problem, "Choose another folder, or set enable-cache: false")


def hydrate(scene: Scene) -> int:
    """Make the folder equal the book."""
    scene.log_in()
    require_known(scene)
    return panaversity(["hydrate", *scene.given.flags()], scene.environ)


def require_known(scene: Scene) -> None:
    """With ``fallback: fail``, raise ``Refused`` where everything would have to be downloaded."""
    if scene.given.choice("fallback", "full") == "full" or scene.given.is_on("full-rebuild"):
        return
    status, text = answer(["plan"], "json", scene.environ)
    if status != 0:
        return  # the command itself will say it better
    plan = json.loads(text)
    if plan["mode"] == "full":
        hint = "Let fallback be full, or find out why no cache was restored"
        raise Refused("fallback", f"nothing usable was restored ({plan['reason']})", hint, 1)


def difference(scene: Scene) -> int:
    """Say what leads from one state of the book to another, in the log, the summary and (if asked) a comment."""
    scene.log_in()
    words = _compared(scene)
    status = panaversity(words, scene.environ)
    if scene.given.is_on("comment"):
        _comment(scene, words)
    return status


def _compared(scene: Scene) -> list[str]:
    one, other = scene.given.text("from") or "remote", scene.given.text("to") or SOURCE
    exact = ["--exit-code"] if scene.given.is_on("fail-on-difference") else []
    if other == SOURCE:
        if one != "remote":
            raise Refused("input from", "only remote can be compared with the source", "Leave it out")
        return ["ingest", "--dry-run"]
    return ["manifest", "diff", *exact, "--", one, other]


def _comment(scene: Scene, words: list[str]) -> None:
    request = scene.event.get("pull_request")
    number = request.get("number") if isinstance(request, dict) else None
    token = scene.given.text("github-token")
    if not isinstance(number, int) or not token:
        command("notice", "comment: not written, for this is no pull request or there is no github-token")
        return
    from comment import Comments

    _, page = answer(words, "markdown", scene.environ)
    try:
        say(f"comment: {Comments(scene.environ, token, number).put(f'diff {scene.config.book_id}', page)}")
    except (OSError, ValueError) as error:
        command("warning", f"comment: not written ({error}). Does the job have permissions: pull-requests: write?")
