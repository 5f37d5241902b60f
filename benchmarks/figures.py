"""Showing figures: one line each, with its bound and what it was compared with; which bounds were missed.

Knows numbers and words; does not know how anything is measured.
"""

from dataclasses import dataclass, field

_DIGITS = {"s": 3, "×": 2, "ms": 1}


@dataclass
class Report:
    """Prints figures as they come. ``missed`` names those that did not keep their bound, ``absent`` the peers that
    could not be asked."""

    missed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def __call__(
        self, name: str, value: float, bound: float, unit: str, note: str = "", *, at_least: bool = False
    ) -> None:
        """One figure against its bound: an upper one, or with ``at_least`` a lower one."""
        ok = value >= bound if at_least else value <= bound
        if not ok:
            self.missed.append(name)
        limit = f"bound {'≥' if at_least else '≤'} {bound:g} {unit:<3}"
        text = f"{value:.{_DIGITS.get(unit, 1)}f}"
        print(f"{name:<34} {text:>9} {unit:<3} {limit} {'ok' if ok else 'MISSED'}  {note}", flush=True)

    def without(self, name: str, why: str) -> None:
        """A figure that cannot be had here, and why. It counts neither as kept nor as missed."""
        self.absent.append(name)
        print(f"{name:<34} {'–':>9}     {why}", flush=True)
