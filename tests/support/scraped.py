"""Prometheus' text, read back: samples by name and labels. Judges nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraped:
    """One scrape; ``kinds`` says how each family is declared."""

    samples: Mapping[str, Mapping[frozenset[tuple[str, str]], float]]
    kinds: Mapping[str, str]

    def __call__(self, figure: str, /, **labels: str) -> float:
        """The sum of all samples of this figure (named without prefix) that carry these labels. Raises ``KeyError``."""
        found = [v for k, v in self.samples["panaversityfs_" + figure].items() if labels.items() <= dict(k).items()]
        if not found:
            raise KeyError(figure, labels)
        return found[0] if len(found) == 1 else math.fsum(found)

    def labels(self, name: str) -> set[str]:
        """The label names of a sample."""
        return {label for key in self.samples[name] for label, _ in key}

    def values(self) -> set[str]:
        """Every label value there is."""
        return {value for series in self.samples.values() for key in series for _, value in key}


def scraped(text: str) -> Scraped:
    """Read the text as a server of metrics would."""
    samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    kinds: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        kinds[family.name] = family.type
        for sample in family.samples:
            key = frozenset(sample.labels.items())
            assert key not in samples.setdefault(sample.name, {}), f"{sample.name} twice"
            samples[sample.name][key] = sample.value
    return Scraped(samples, kinds)
