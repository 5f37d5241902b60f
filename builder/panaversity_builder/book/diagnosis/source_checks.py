"""Checks of the source tree: it is there, its names can be taken, its numbering is clear. PURE."""

from collections.abc import Iterator

from panaversity_builder.book.diagnosis.facts import Facts, Finding


def source(facts: Facts) -> Iterator[Finding]:
    """The author's folder and the names in it."""
    found = facts.source
    if found.error is not None:
        says = f"{found.error.subject} {found.error.problem}"
        yield Finding("source", "problem", says, found.error.hint, found.error.exit_status)
    elif found.refused:
        says = f"{len(found.refused)} of {found.files + len(found.refused)} names are refused"
        yield Finding("source", "problem", says, "Rename them, or name them in .bookignore", 12, found.refused)
    else:
        ignored = f", {found.ignored} ignored" if found.ignored else ""
        where = facts.settings.source_dir
        yield Finding("source", "ok", f"{where}: {found.files} files, {found.size / 1e6:.1f} MB{ignored}")


def numbering(facts: Facts) -> Iterator[Finding]:
    """How folders are numbered: said by the book, by a setting, or by the names."""
    found, said = facts.source, facts.settings.numbering
    kept = facts.server.book_numbering if facts.server else None
    if found.error is not None:
        return
    if said and kept and said != kept:
        says = f"the setting says {said}, the book keeps {kept}"
        yield Finding("numbering", "warning", says, "The next ingest moves its paths; remove the setting if not meant")
    elif kept or said:
        yield Finding("numbering", "ok", f"{kept or said} ({'kept by the book' if kept else 'a setting'})")
    elif found.doubt is not None:
        yield Finding("numbering", "problem", found.doubt.problem, found.doubt.hint, found.doubt.exit_status)
    else:
        yield Finding("numbering", "ok", f"{found.numbering} (found in the names)")
