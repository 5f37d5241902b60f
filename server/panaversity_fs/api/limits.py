"""The bounds that one call may not exceed, in one place (P13, S6, S22, S23).

Numbers with their reasons; no behaviour.
"""

KIB, MIB, GIB = 1024, 1024**2, 1024**3

MCP_BODY = 4 * MIB
"""What the MCP transport reads of one request; more goes over the data plane."""
BLOB = 8 * GIB
"""One uploaded blob."""
CHANGESET_JSON = 64 * MIB
"""``changeset.json``: 200,000 operations of some 300 bytes."""
MANIFEST_TEXT = 64 * MIB
"""A manifest sent along with a changeset."""
PACK_REQUEST = 32 * MIB
"""The JSON list of digests of a pack: 200,000 of 67 bytes are 13 MiB."""
DRAIN = 1 * GIB
"""How much of a refused request's body is read before the refusal is sent; then the connection is closed."""
DRAIN_STRANGER = 16 * MIB
"""The same for a request without a valid token."""
RATIO, RATIO_FREE = 100, 1 * MIB
"""Decompressed bytes may be this many times the received ones, beyond the first ``RATIO_FREE`` (S23)."""
TEXT_ANSWER = 1 * MIB
"""Lesson text in one tool answer; more is paged."""
TEXT_FILE = 8 * MIB
"""A file that is read into memory to answer lines of it; larger ones are answered with their URL."""
IMAGE_ANSWER = 2 * MIB
"""An image handed out inside a tool answer."""
PAGE = 100
"""Entries of one page of a list."""
STRUCTURE = 5_000
"""Files named by one ``list_books`` answer."""
PLAN_TEXTS = 64 * KIB
"""Text of changed files that may come with a plan: a round trip costs more than so many bytes do."""
PLAN_TEXT = 20
"""Changed paths named in the text (not the structured part) of a plan."""
