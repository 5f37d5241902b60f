"""Triggers that keep what was logged as it is (S16), and the one way past them: pruning (S38).

SQLite: no UPDATE, no DELETE; pruning takes the trigger away and puts it back inside its transaction. PostgreSQL: no
UPDATE, DELETE or TRUNCATE by anybody; ``prune_audit_log`` deletes as the tables' owner, and the trigger lets an entry
go only inside that call and only where its hole has the very same hash. Nobody but the owner may call it unless it is
granted. Steps of migrations use this: what it makes must not change, it can only be followed by another step.
"""

from alembic import op

_AUDIT = "audit entries are never changed"


def guard(table: str, words: str) -> None:
    """Refuse to change or delete rows of this table, with these words."""
    if _engine() == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER tr_{table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )
        return
    op.execute(_trigger_function(table, f"RAISE EXCEPTION '{words}';"))
    change, all_of_it = "BEFORE UPDATE OR DELETE", "BEFORE TRUNCATE"
    for name, when, each in (("change", change, "ROW"), ("truncate", all_of_it, "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER tr_{table}_no_{name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {table}_guard()"
        )


def let_go(table: str) -> None:
    """Take the refusals away."""
    names = ("update", "delete") if _engine() == "sqlite" else ("change", "truncate")
    for name in names:
        op.execute(f"DROP TRIGGER tr_{table}_no_{name}" + ("" if _engine() == "sqlite" else f" ON {table}"))
    if _engine() != "sqlite":
        op.execute(f"DROP FUNCTION {table}_guard()")


def make_pruning() -> None:
    """The way past the guard of ``audit_log``, by ``audit_holes``. SQLite has its own (``store.audit_holes``)."""
    if _engine() == "sqlite":
        return
    schema = _schema()
    op.execute(_trigger_function("audit_log", f"""
        IF TG_OP = 'DELETE' AND current_setting('panaversity_fs.pruning', true) = txid_current()::text AND EXISTS (
            SELECT FROM {schema}.audit_holes AS hole WHERE hole.book_id = OLD.book_id
            AND hole.incarnation = OLD.incarnation AND hole.seq = OLD.seq AND hole.entry_hash = OLD.entry_hash
        ) THEN RETURN OLD; END IF;
        RAISE EXCEPTION '{_AUDIT}';"""))  # fmt: skip
    op.execute(f"""
        CREATE FUNCTION prune_audit_log(of_book text, of_life integer, upto bigint) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE gone bigint;
        BEGIN
            PERFORM set_config('panaversity_fs.pruning', txid_current()::text, true);
            DELETE FROM {schema}.audit_log AS log USING {schema}.audit_holes AS hole
            WHERE log.book_id = of_book AND log.incarnation = of_life AND log.seq <= upto
            AND hole.book_id = log.book_id AND hole.incarnation = log.incarnation AND hole.seq = log.seq;
            GET DIAGNOSTICS gone = ROW_COUNT;
            PERFORM set_config('panaversity_fs.pruning', '', true);
            RETURN gone;
        END $$""")  # noqa: S608 - the schema is quoted, the rest stands here
    op.execute("REVOKE ALL ON FUNCTION prune_audit_log(text, integer, bigint) FROM PUBLIC")


def drop_pruning() -> None:
    """As it was before ``make_pruning``."""
    if _engine() == "sqlite":
        return
    op.execute("DROP FUNCTION prune_audit_log(text, integer, bigint)")
    op.execute(_trigger_function("audit_log", f"RAISE EXCEPTION '{_AUDIT}';"))


def _trigger_function(table: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql "
        f"SET search_path = pg_catalog, pg_temp AS $$ BEGIN {body} END $$"
    )


def _engine() -> str:
    return op.get_bind().dialect.name


def _schema() -> str:
    """The schema the tables are made in, as SQL wants it: a definer's function must not search for it."""
    bind = op.get_bind()
    name = bind.exec_driver_sql("SELECT current_schema()").scalar_one()
    return str(bind.dialect.identifier_preparer.quote_identifier(name))
