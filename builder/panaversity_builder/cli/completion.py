"""``panaversity completion``: the completion script of a shell. Prints; knows nothing but the command's name."""

import click
from click.shell_completion import get_completion_class

from panaversity_builder.console import Console
from panaversity_builder.console.edge import EXIT_STATUS


@click.command("completion", epilog=EXIT_STATUS)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print what makes a shell complete this command.

    \b
    bash: panaversity completion bash > ~/.local/share/bash-completion/completions/panaversity
    zsh:  panaversity completion zsh > a file named _panaversity in a folder of $fpath
    fish: panaversity completion fish > ~/.config/fish/completions/panaversity.fish
    """
    from panaversity_builder.cli import COMPLETE

    console = context.find_object(Console)
    kind = get_completion_class(shell)
    assert console is not None
    assert kind is not None
    script = kind(context.find_root().command, {}, "panaversity", COMPLETE).source()
    console.data([script])
    return 0
