"""Steps by which an older board becomes one of today, each a file in `versions/`; Alembic runs them."""
