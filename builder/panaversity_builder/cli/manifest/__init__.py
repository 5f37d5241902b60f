"""``panaversity manifest``: manifests for people and scripts. Names the commands; each stands in its own module.

None of them changes a book, a folder or what a build remembers.
"""

from panaversity_builder.cli import options
from panaversity_builder.cli.manifest.diff import difference
from panaversity_builder.cli.manifest.log import log
from panaversity_builder.cli.manifest.show import export, show
from panaversity_builder.cli.manifest.status import status


@options.group("manifest")
def command() -> None:
    """Show and compare manifests."""


for _one in (show, difference, status, export, log):
    command.add_command(_one)
