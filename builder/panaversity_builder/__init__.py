"""The builder: author → ingest → plan_build → hydrate → docusaurus build, moving only what changed."""
