"""Text columns that sort and compare by their bytes on every engine (D16).

SQLite does so by itself; PostgreSQL sorts as the database's locale has it unless the column says otherwise, and another
order is another manifest hash. Migrations use this as well: it will not change.
"""

from sqlalchemy import String, Text
from sqlalchemy.types import TypeEngine

_BYTES = "C"


def short_text(length: int) -> TypeEngine[str]:
    """At most this many characters."""
    return String(length).with_variant(String(length, collation=_BYTES), "postgresql")


def long_text() -> TypeEngine[str]:
    """As long as it is."""
    return Text().with_variant(Text(collation=_BYTES), "postgresql")
