"""Several processes told as one server: figures that prometheus-client's own files do not add up.

Knows the folder that the processes share, and where the system says what a process uses; does not know what a figure
means.
"""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own variable: where the processes of one server keep their figures, so that a scrape of any of them
answers for all. It is read at the library's import."""
UNKNOWN = math.inf
"""What a process says of a figure it knows nothing of where the least of all counts; told as NaN."""
_LIVING = re.compile(r"gauge_live\w+_(\d+)\.db")


def forget_process(pid: int, folder: str) -> None:
    """A process is gone: what it was answering is answered by nobody, what it has counted stays."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def of_all(folder: str) -> CollectorRegistry:
    """The figures of all processes that share this folder."""
    together = CollectorRegistry()
    MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
    return together


class NaNIfUnknown(Collector):
    """A registry's figures, this one of them as NaN where no process knew it."""

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        self._registry, self._name = registry, name

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        for metric in self._registry.collect():
            if metric.name == self._name:
                metric.samples = [
                    sample._replace(value=math.nan) if sample.value == UNKNOWN else sample for sample in metric.samples
                ]
            yield metric


class AllProcesses(Collector):
    """What the living processes of one server use, added up; they began when the first of them did."""

    def __init__(self, namespace: str, folder: str) -> None:
        self._namespace, self._folder = namespace, Path(folder)

    def collect(self) -> Iterable[Metric]:
        """The figures as the system has them now."""
        together: dict[str, Metric] = {}
        for pid in self._living():
            for metric in ProcessCollector(self._namespace, lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                known = together.setdefault(metric.name, metric)
                if known is not metric:
                    joined = min if metric.name.endswith("start_time_seconds") else _sum
                    known.samples = [
                        one._replace(value=joined(one.value, other.value))
                        for one, other in zip(known.samples, metric.samples, strict=True)
                    ]
        return together.values()

    def _living(self) -> set[int]:
        found = (_LIVING.fullmatch(file.name) for file in self._folder.iterdir())
        return {int(match[1]) for match in found if match}


def _sum(one: float, other: float) -> float:
    return one + other
