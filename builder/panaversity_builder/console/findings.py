"""The findings of a diagnosis as lines for people, made from their machine format. Pure; knows no stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from panaversity_builder.console.texts import listed

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


def finding_lines(finding: Mapping[str, Any], verbose: bool) -> Iterator[str]:
    """One line, and under it what to do and what is meant; the particulars of what is in order only when verbose."""
    yield f"{_MARKS[finding['level']]}  {finding['check']}: {finding['says']}"
    if finding["do"]:
        yield f"         → {finding['do']}"
    if verbose or finding["level"] != "ok":
        yield from listed(finding["listed"], "           ")


def summary_line(counts: Mapping[str, int]) -> str:
    """How it stands in all."""
    problems, warnings = counts["problem"], counts["warning"]
    if not problems and not warnings:
        return "everything is in order"
    said = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((problems, "problem"), (warnings, "warning")) if n]
    return f"{', '.join(said)}{'' if problems else '; nothing would stop a build'}"
