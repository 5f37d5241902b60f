"""What every facade class stands on: the context, held once. Knows nothing else."""

from panaversity_fs.library.context import Context


class Facade:
    """One subject's share of ``Library``; its methods raise the typed errors of ``core.errors`` only."""

    def __init__(self, context: Context) -> None:
        self._context = context
