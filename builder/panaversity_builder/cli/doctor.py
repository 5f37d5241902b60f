"""``panaversity doctor``: what is in order, and what would stop a build. Parses, calls, shows."""

import os
from importlib import metadata
from typing import TYPE_CHECKING

from panaversity_builder.cli import options
from panaversity_builder.config import Config
from panaversity_builder.console import Console

if TYPE_CHECKING:
    from panaversity_builder.book.diagnosis.facts import Facts, ServerFacts


@options.subcommand(
    "doctor",
    options.book_id,
    options.source_dir,
    options.output_dir,
    options.site_dir,
    options.server_url,
)
def command(console: Console, config: Config) -> int:
    """Look at settings, folders, source, server, token, Node and site, and say what to do about each.

    Changes nothing and starts no server. The status is 0 when nothing would stop a build, else the one a build would
    end with; warnings do not count. With -v what is in order is listed in detail too.
    """
    from panaversity_builder.book.diagnosis.checks import diagnose, exit_status
    from panaversity_builder.console.findings import finding_lines, summary_line

    findings = list(diagnose(_facts(config)))
    status = exit_status(findings)
    counts = {level: sum(one.level == level for one in findings) for level in ("ok", "warning", "problem")}
    lines = [line for one in findings for line in finding_lines(one.to_json(), console.manner.verbosity > 0)]
    body = {"findings": [one.to_json() for one in findings], **counts, "exit_status": status}
    console.result([*lines, summary_line(counts)], body)
    return status


def _facts(config: Config) -> "Facts":
    from panaversity_builder.blob_cache import default_folder
    from panaversity_builder.book.diagnosis.facts import Facts, SettingFacts
    from panaversity_builder.book.diagnosis.gather import machine_facts, source_facts
    from panaversity_builder.book.diagnosis.site_program import site_findings
    from panaversity_builder.book.inspection.survey import survey
    from panaversity_builder.book.site import Site, site_environ

    site = Site(config.site_dir, config.output_dir, site_environ(os.environ, config.site_variables))
    state = config.state_dir
    caches = {"builds": os.path.join(state, "build"), "store": os.path.join(state, "store")}
    caches["downloads"] = config.cache_dir or default_folder()
    return Facts(
        SettingFacts(
            config.shown(), config.root, config.site_dir, config.source_dir, config.output_dir, config.book_id,
            config.server_url, config.token, config.numbering,
        ),
        machine_facts(config.root, site, caches),
        survey(config.site_dir),
        source_facts(config.source_dir, config.site_dir, state, config.book_id, config.numbering),
        _server(config),
        metadata.version("panaversity-fs"),
        site_findings(site),
    )  # fmt: skip


def _server(config: Config) -> "ServerFacts | None":
    from panaversity_builder.book.diagnosis.facts import ServerFacts
    from panaversity_builder.book.diagnosis.gather import server_facts
    from panaversity_builder.client import NO_WAITS, Client
    from panaversity_fs.core.errors import PanaversityError

    if config.server_url is None:
        return None
    try:
        with Client(config.server_url, config.agent_id, config.token, waits=NO_WAITS, silence=10.0) as client:
            return server_facts(client, config.book_id)
    except PanaversityError as error:
        return ServerFacts(error=error)
