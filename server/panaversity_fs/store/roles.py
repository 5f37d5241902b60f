"""The SQL that makes a role for servers, which may do what a server does and cannot change what was logged (S16).

Two roles: the owner made the tables (``panaversity-fs migrate``) and prunes; servers run as the other. Made from the
description of the tables, so that a new one cannot be forgotten. Knows tables; runs nothing.
"""

from panaversity_fs.store.tables import audit_holes, audit_log, metadata

ROLE = "panaversity_server"
_LOG = audit_log.name
_HOLES = audit_holes.name


def server_role_sql(role: str = ROLE, schema: str = "public") -> str:
    """The statements, for the owner of the tables to run in the store's database after every migration."""
    others = ", ".join(sorted(metadata.tables.keys() - {_LOG, _HOLES}))
    tables = ", ".join(sorted(metadata.tables))
    return f"""\
-- The role servers run as. Run this as the owner of the tables, in the store's database, after every
-- `panaversity-fs migrate`. Then let DATABASE_URL of the servers name this role, and only `migrate` and
-- `audit prune` run as the owner. A server that runs as the owner works as well, guarded by triggers alone.
DO $$ BEGIN
  CREATE ROLE {role} LOGIN;  -- then: ALTER ROLE {role} PASSWORD '...'
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA {schema} TO {role};
REVOKE ALL ON {tables} FROM {role};
GRANT SELECT ON alembic_version TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON {others} TO {role};
-- What was logged can be added to and read.
GRANT SELECT, INSERT ON {_LOG} TO {role};
GRANT SELECT ON {_HOLES} TO {role};
-- Pruning goes through one function that leaves every entry's hash. It is the owner's unless you say otherwise:
-- GRANT INSERT ON {_HOLES} TO {role}; GRANT EXECUTE ON FUNCTION prune_{_LOG}(text, integer, bigint) TO {role};
"""
