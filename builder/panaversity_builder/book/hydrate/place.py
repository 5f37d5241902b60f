"""Where a book may be hydrated to: a folder that losing or filling harms nobody.

Knows paths and a few places that tools clean up or people live in; does not know what is in the folder.
"""

import os
from collections.abc import Collection

from panaversity_builder.book.hydrate.options import HydrateOptions
from panaversity_fs.core.errors import InvalidArgument
from panaversity_fs.core.paths import require_book_id


def require_place_for_output(options: HydrateOptions) -> None:
    """Raise ``InvalidArgument`` for an output folder that cannot be meant: /, the home folder, the source, a file."""
    require_book_id(options.book_id, "hydrate")
    if not options.output_dir or "\0" in options.output_dir:
        raise _refused(options, "is not a folder's name")
    output = os.path.realpath(options.output_dir)
    if output == os.path.sep:
        raise _refused(options, "is the root of the file system")
    if output == os.path.realpath(os.path.expanduser("~")):
        raise _refused(options, "is the home folder")
    if ".docusaurus" in output.split(os.path.sep):
        raise _refused(options, "lies in .docusaurus, which `docusaurus clear` deletes")
    if ".panaversity" in output.split(os.path.sep):
        raise _refused(options, "lies in .panaversity, where state is kept")
    if options.source_dir and _within(output, os.path.realpath(options.source_dir)):
        raise _refused(options, "is the source folder or lies in it; the author's files are only ever read")
    if os.path.lexists(output) and not os.path.isdir(output):
        raise _refused(options, "is not a folder")


def require_manifest_file_apart(options: HydrateOptions, target: Collection[str]) -> None:
    """Raise ``InvalidArgument`` when ``--manifest-file`` names a folder or the place of one of the book's files."""
    if options.manifest_file is None:
        return
    output, path = os.path.realpath(options.output_dir), os.path.realpath(options.manifest_file)
    inside = path[len(output) + 1 :] if _within(path, output) else None
    if os.path.isdir(path) or (inside is not None and inside.replace(os.path.sep, "/") in target):
        raise InvalidArgument(
            "hydrate", options.manifest_file, "is a folder or the place of one of the book's files",
            "Choose another file with --manifest-file", name="manifest_file",
        )  # fmt: skip


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.path.sep) + os.path.sep)


def _refused(options: HydrateOptions, problem: str) -> InvalidArgument:
    return InvalidArgument(
        "hydrate", options.output_dir or "--output-dir", problem,
        "Choose another folder with --output-dir, such as book/", name="output_dir",
    )  # fmt: skip
