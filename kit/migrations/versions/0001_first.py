"""The board as it was before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("answers", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("baseline", sa.Boolean, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("file_sha256", sa.Text, nullable=False),
        sa.Column("sums_sha256", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("higher_is_better", sa.Boolean, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("score_public", sa.Float),
        sa.Column("score_private", sa.Float),
        sa.Column("scores", sa.Text, nullable=False),
        sa.Column("coverage", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("device", sa.Text),
        sa.Column("seed", sa.Integer),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("commit", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    op.create_index("entries_best", "entries", ["task", "answers", "metric", "name", "score", "number"])
    op.create_table(
        "head",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.execute(f"INSERT INTO head (one, number, hash) VALUES (1, 0, '{'0' * 64}')")
