"""The doors: MCP tools and HTTP routes over the library. Know protocols and callers; do not know how books are kept."""
