"""Seal versions, withdrawals and rescores, metric versions, names as salted hashes, files of entries, large seeds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in (
        sa.Column("seal", sa.Integer, nullable=False, server_default="1"),
        sa.Column("kind", sa.Text, nullable=False, server_default="entry"),
        sa.Column("refers", sa.Text),
        sa.Column("metric_version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("name_hash", sa.Text),
        sa.Column("note_hash", sa.Text),
        sa.Column("salt", sa.Text),
    ):
        op.add_column("entries", column)
    if op.get_bind().dialect.name == "postgresql":  # SQLite's integers have 64 bits
        op.alter_column("entries", "seed", type_=sa.BigInteger)
    op.drop_index("entries_best", "entries")
    best = ["task", "answers", "metric", "metric_version", "name", "baseline", "score", "number"]
    op.create_index("entries_best", "entries", best)
    op.create_index("entries_refers", "entries", ["refers"])
    op.create_table(
        "files",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
    )
