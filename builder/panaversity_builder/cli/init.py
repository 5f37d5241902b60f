"""``panaversity init``: a ``book.toml`` for a Docusaurus site that is there. Parses, calls, writes, shows."""

import os

import click

from panaversity_builder.cli import options
from panaversity_builder.config import BOOK_FILE, SITE_CONFIGS, Config
from panaversity_builder.console import Console
from panaversity_fs.core.errors import ConfigInvalid


@options.subcommand(
    "init",
    options.site_dir,
    options.book_id,
    options.source_dir,
    options.output_dir,
    click.option("--dry-run", is_flag=True, help="Say what would be written; write nothing."),
    click.option("--force", is_flag=True, help="Replace a book.toml that is there."),
    click.option("--write-gitignore", is_flag=True, help="Also add the missing lines to .gitignore."),
)
def command(console: Console, config: Config, dry_run: bool, force: bool, write_gitignore: bool) -> int:
    """Write book.toml for an existing Docusaurus site after looking at it.

    The site's configuration is read as text and never run; what it computes is said to be unknown. Nothing is asked.
    """
    from panaversity_builder.book.founding import Wishes, propose
    from panaversity_builder.book.inspection.survey import look, survey

    site = survey(_site(config))
    named = _said(config, "source_dir")
    wishes = Wishes(_said(config, "book_id"), named, _said(config, "output_dir"))
    if named and not os.path.isdir(named):
        raise ConfigInvalid("init", named, "is no folder", "Correct --source-dir", key="source_dir")
    plan = propose(site, wishes, look(named) if named else None)
    path = os.path.join(site.folder, BOOK_FILE)
    if os.path.lexists(path) and not (force or dry_run):
        raise ConfigInvalid("init", path, "is there already", "Edit it, or replace it with --force")
    written = [] if dry_run else _write(site.folder, plan.book_toml, plan.ignore_lines if write_gitignore else (), path)
    body = {
        "book_id": plan.book_id, "source_dir": plan.source_dir, "output_dir": plan.output_dir, "found": plan.found,
        "book_toml": plan.book_toml, "ignore_lines": plan.ignore_lines, "todo": plan.todo, "dry_run": dry_run,
        "written": written,
    }  # fmt: skip
    lines = [*plan.found, *(f"wrote {one}" for one in written)]
    if dry_run:
        lines += [f"would write {path}:", *(f"  {line}" for line in plan.book_toml.splitlines())]
    if plan.ignore_lines and not (write_gitignore and written):
        lines.append(f"not in .gitignore yet (--write-gitignore adds them): {' '.join(plan.ignore_lines)}")
    lines += [f"to do: {one}" for one in plan.todo]
    console.result([*lines, *_next(site.folder)], body)
    return 0


def _said(config: Config, name: str) -> str | None:
    """What the caller said of a setting, in words or by the environment; settings of another folder are not meant."""
    value = getattr(config, name)
    return str(value) if config.origins[name].startswith(("flag ", "environment ")) else None


def _site(config: Config) -> str:
    """The site that is meant: the one named, this folder, or the project's. Raises ``ConfigInvalid`` for no site."""
    from panaversity_builder.book.inspection.survey import sites_below

    here = os.getcwd()
    named = _said(config, "site_dir")
    for folder in [named] if named else [here, config.site_dir]:
        if any(os.path.isfile(os.path.join(folder, name)) for name in SITE_CONFIGS):
            return folder
    near = [os.path.relpath(path, here) for path in sites_below(named or here)]
    hint = f"There is one in {', '.join(near)}: give --site-dir" if near else "Name the site's folder with --site-dir"
    raise ConfigInvalid("init", named or here, "holds no docusaurus.config file", hint, key="site_dir")


def _write(folder: str, book_toml: str, ignore_lines: tuple[str, ...], path: str) -> list[str]:
    """Write the files; answer their paths. A .gitignore only ever grows."""
    from panaversity_builder.durable import write_beside

    try:
        write_beside(path, book_toml.encode())
        if not ignore_lines:
            return [path]
        ignore = os.path.join(folder, ".gitignore")
        with open(ignore, "a+b") as file:
            file.seek(0)
            before = file.read()
            file.write(b"" if before.endswith(b"\n") or not before else b"\n")
            file.write("".join(f"{line}\n" for line in ("# panaversity", *ignore_lines)).encode())
    except OSError as fault:
        raise ConfigInvalid("init", folder, f"cannot be written ({fault.strerror})", "Make it writable") from fault
    return [path, ignore]


def _next(folder: str) -> list[str]:
    steps = ["panaversity doctor", "panaversity build"]
    here = os.path.relpath(folder)
    if here != ".":
        steps.insert(0, f"cd {here}")
    return ["next:", *(f"  {step}" for step in steps)]
