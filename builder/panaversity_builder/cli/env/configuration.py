"""``panaversity env config``: the configuration in force and where each value comes from. Changes nothing."""

from panaversity_builder.cli import options
from panaversity_builder.cli.env.opening import name_argument
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand("config", name_argument)
def configuration(console: Console, config: Config, name: str) -> int:
    """Print every value of an environment's configuration with its file, line and column.

    Layers, short forms and variables are resolved; of a secret only the place is shown.
    """
    from panaversity_builder.cli.env.opening import settings_of
    from panaversity_builder.environment.settings.normal_form import described

    settings = settings_of(console, config, name)
    values = described(settings.configuration, settings.tree)
    if console.manner.format == "json":
        rows = [{"key": one.key, "value": one.value, "origin": one.origin} for one in values]
        console.result((), {"environment": settings.name, "files": list(settings.files), "values": rows})
        return 0
    width = max((len(one.key) for one in values), default=0)
    console.data(f"{one.key:<{width}} = {one.value or '(empty)'}    # {one.origin}" for one in values)
    return 0
