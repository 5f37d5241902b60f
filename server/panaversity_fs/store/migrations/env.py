"""Alembic's entry: runs the steps on the connection that ``store.migrate`` hands over, inside its transaction."""

from alembic import context

from panaversity_fs.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
