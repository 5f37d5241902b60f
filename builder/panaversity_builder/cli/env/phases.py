"""``panaversity env show-phases``: the ten phases, how they stand and what is kept of them. Changes nothing."""

from panaversity_builder.cli import options
from panaversity_builder.cli.env.opening import name_argument
from panaversity_builder.config import Config
from panaversity_builder.console import Console


@options.subcommand("show-phases", name_argument)
def show_phases(console: Console, config: Config, name: str) -> int:
    """Show the phases of an environment: state, age, size, last duration, and why one would run."""
    from panaversity_builder.cli.env.build import build_options
    from panaversity_builder.cli.env.opening import backend_of, prepared, settings_of
    from panaversity_builder.console.phases import phase_rows, phase_table
    from panaversity_builder.engine import utc_now
    from panaversity_builder.environment.build import foresee, snapshot_sizes
    from panaversity_builder.environment.kept_images import snapshot_tag
    from panaversity_builder.environment.recipe import ENVIRONMENT

    settings = settings_of(console, config, name)
    backend, where = backend_of(config, "env show-phases")
    environment = prepared(settings, backend)
    forecasts = foresee(environment, backend, build_options(config, where))
    rows = phase_rows(forecasts, snapshot_sizes(environment.name, backend), utc_now())
    for row, phase in zip(rows, ENVIRONMENT.phases, strict=True):
        row["tag"] = snapshot_tag(environment.name, phase)
    if console.manner.format == "text":
        console.data(phase_table(rows))  # asked for, quiet or not
    else:
        body = {"environment": environment.name, "lifecycle": ENVIRONMENT.name, "phases": rows}
        console.result(phase_table(rows), body)
    return 0
