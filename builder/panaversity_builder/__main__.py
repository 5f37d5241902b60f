"""``python -m panaversity_builder``: the same as the command ``panaversity``. Knows nothing else."""

from panaversity_builder.cli import main

main()
