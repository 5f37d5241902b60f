"""A hydrated desk and a resolver of manifest operands over it, for tests of comparisons.

Knows which words there are to find; does not know what is expected of them.
"""

from pathlib import Path
from typing import Any

from panaversity_builder.book.compare import Operand, Resolver, Surroundings, compare
from panaversity_builder.client import Server
from support.hydrated import BOOK, Desk


class OneServer:
    """The configured server only; says which others were asked for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked: list[str] = []

    def configured(self) -> Server:
        return self.server

    def at(self, url: str) -> Server:
        self.asked.append(url)
        return self.server

    def shown(self, url: str) -> str:
        return url.rpartition("@")[2]


class Finder:
    """A desk and a resolver over it."""

    def __init__(self, place: Path) -> None:
        self.desk = Desk(place)
        self.desk.hydrate()
        self.servers = OneServer(self.desk.server)

    def find(self, *words: str, book_id: str | None = BOOK, **around: Any) -> list[Operand]:
        place = {"output_dir": str(self.desk.out), "state_dir": str(self.desk.place / ".panaversity")}
        return Resolver(Surroundings(book_id=book_id, **place, **around), self.servers).operands(*words)

    def lines(self, a: str, b: str) -> list[str]:
        one, other = self.find(a, b)
        return ["\t".join(record) for record in compare(one, other).records()]
