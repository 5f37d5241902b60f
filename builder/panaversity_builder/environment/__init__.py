"""Container environments from ``config.yaml``, phase by phase, without Dockerfiles (DESIGN 12)."""
