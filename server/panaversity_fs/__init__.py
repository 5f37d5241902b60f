"""The storage server: books behind MCP, bytes under their digests, a journal that never loses an acknowledged write."""
