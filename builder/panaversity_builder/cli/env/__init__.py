"""``panaversity env``: the container environments of a project. Parses, calls, shows; each command is a module here."""

from panaversity_builder.cli import options
from panaversity_builder.cli.env.build import build
from panaversity_builder.cli.env.configuration import configuration
from panaversity_builder.cli.env.images import export, list_, prune
from panaversity_builder.cli.env.phases import show_phases
from panaversity_builder.cli.env.run import run


@options.group("env")
def command() -> None:
    """Build and use the container environment a book is built in.

    environments/NAME.yaml (or environments/NAME/config.yaml) describes it; there is no Dockerfile. A snapshot is kept
    after each of the ten phases, so a change runs its phase and those after it.
    """


for _one in (build, show_phases, run, list_, prune, export, configuration):
    command.add_command(_one)
