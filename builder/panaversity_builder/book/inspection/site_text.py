"""What a Docusaurus configuration says, as far as its text can tell: docs folders, routes, title, the faster flag.

PURE: nothing is run, so computed values stay unknown and are never guessed. Knows Docusaurus' words; not the disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from panaversity_builder.book.inspection.javascript import Source, Span, Token

DEFAULT_DOCS = "docs"
_PLUGINS = frozenset({"@docusaurus/plugin-content-docs", "@docusaurus/content-docs", "content-docs"})
_PRESETS = frozenset({"classic", "@docusaurus/classic", "@docusaurus/preset-classic"})
_FASTER = ("faster", "experimental_faster")


@dataclass(frozen=True, slots=True)
class DocsPlugin:
    """One docs plugin: the folder it reads, as written (None: computed), its route, and its id if it has one."""

    path: str | None = DEFAULT_DOCS
    route: str | None = "docs"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class SiteText:
    """What was found. ``faster`` is None when the configuration does not mention it, or computes it."""

    docs: tuple[DocsPlugin, ...] = ()
    faster: bool | None = None
    title: str | None = None

    @property
    def main(self) -> DocsPlugin | None:
        """The docs plugin without an id, else the first; None when none was found."""
        return next((one for one in self.docs if one.id is None), self.docs[0] if self.docs else None)


def read_site_text(text: str) -> SiteText:
    """Look at the text of a ``docusaurus.config`` file."""
    source = Source(text)
    return SiteText(tuple(_docs(source)), _faster(source), _title(source))


def _docs(source: Source) -> Iterator[DocsPlugin]:
    for at, token in enumerate(source.tokens):
        if token.kind != "string" or token.text not in _PLUGINS | _PRESETS:
            continue
        if at == 0 or not source.tokens[at - 1].is_mark("[", ",", "("):
            continue
        options = _options(source, at)
        if token.text in _PLUGINS:
            yield _plugin(source, options)
        elif (docs := options.get("docs")) is None:
            yield DocsPlugin()
        elif source.literal(docs) is not False:
            entries = source.entries(docs)
            yield _plugin(source, entries) if entries is not None else DocsPlugin(None, None)


def _options(source: Source, at: int) -> dict[str, Span]:
    """The options that follow a plugin's or preset's name in its array; none when it stands alone."""
    at += 1
    while at < len(source.tokens) and source.tokens[at].is_mark(")"):  # require.resolve('…')
        at += 1
    if at < len(source.tokens) and source.tokens[at].is_mark(","):
        return source.entries(Span(at + 1, len(source.tokens))) or {}
    return {}


def _plugin(source: Source, options: dict[str, Span]) -> DocsPlugin:
    return DocsPlugin(
        _text(source, options, "path", DEFAULT_DOCS),
        _text(source, options, "routeBasePath", "docs"),
        _text(source, options, "id", None),
    )


def _text(source: Source, options: dict[str, Span], name: str, default: str | None) -> str | None:
    if name not in options:
        return default
    value = source.literal(options[name])
    return value if isinstance(value, str) else None


def _faster(source: Source) -> bool | None:
    for at, token in enumerate(source.tokens[:-2]):
        if token == Token("name", "future") and source.tokens[at + 1].is_mark(":"):
            return _future(source, source.entries(Span(at + 2, len(source.tokens))) or {})
    return None


def _future(source: Source, options: dict[str, Span]) -> bool | None:
    for name in _FASTER:
        if name in options:
            value = source.literal(options[name])
            return value if isinstance(value, bool) else source.entries(options[name]) is not None or None
    return True if "v4" in options and source.literal(options["v4"]) is True else None  # the one implies the other


def _title(source: Source) -> str | None:
    """The first ``title`` with a text: a key or a constant."""
    for at, token in enumerate(source.tokens[:-2]):
        if token.kind in ("name", "string") and token.text == "title" and source.tokens[at + 1].is_mark(":", "="):
            value = source.tokens[at + 2]
            if value.kind == "string" and value.text.strip():
                return value.text.strip()
    return None
