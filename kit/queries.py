"""Which entries are ranked together, and the best one of each name: queries over the board's table of entries."""

from typing import Any, NamedTuple

import sqlalchemy as sa

_SCORE = {"all": "score", "public": "score_public", "private": "score_private"}
_CHOOSES = {"all": "score", "public": "score_public", "private": "score_public"}  # nothing is chosen by private rows


class Ranking(NamedTuple):
    """What may be ranked together: entries of a task made on the same answers, and scored by the same metric.

    answers: their fingerprint, and others under which the same answers are known. version: of the metric's definition.
    """

    task: str
    answers: tuple[str, ...]
    metric: str
    version: int = 1


def ranked(rows: Any, ranking: Ranking, marks: bool) -> Any:
    """Which rows count in a ranking. marks: whether withdrawn ones must be looked for."""
    here = [rows.c.task == ranking.task, rows.c.answers.in_(ranking.answers), rows.c.metric == ranking.metric]
    here.append(rows.c.metric_version == ranking.version)
    if marks:
        gone = rows.alias("gone")
        withdrawn = sa.select(gone.c.refers).where(gone.c.kind == "withdrawal", gone.c.refers.is_not(None))
        here += [rows.c.kind != "withdrawal", sa.func.coalesce(rows.c.refers, rows.c.id).not_in(withdrawn)]
    return sa.and_(*here)


def best(rows: Any, ranking: Ranking, marks: bool, higher: bool, part: str, top: int | None) -> Any:
    """The best entry of each name with its rank; see `Board.best`."""

    def goodness(table: Any, column: str) -> Any:
        return table.c[column] if higher else -table.c[column]

    here, chooses = ranked(rows, ranking, marks), goodness(rows, _CHOOSES[part])
    who = (rows.c.name, rows.c.baseline)
    most = sa.select(*who, sa.func.max(chooses).label("best"), sa.func.count().label("entries"))
    names = most.where(here).group_by(*who).subquery()
    same = sa.or_(chooses == names.c.best, names.c.best.is_(None))
    first = sa.select(sa.func.min(rows.c.number).label("number"), names.c.best, names.c.entries)
    first = first.join(names, sa.and_(names.c.name == who[0], names.c.baseline == who[1], same)).where(here)
    chosen = first.group_by(*who, names.c.best, names.c.entries).subquery()
    its = rows.alias("its")
    score = chosen.c.best if _CHOOSES[part] == _SCORE[part] else goodness(its, _SCORE[part])
    rank = sa.func.rank().over(order_by=score.desc().nulls_last()).label("rank")
    placed = sa.select(chosen, rank)
    if _CHOOSES[part] != _SCORE[part]:
        placed = placed.join(its, its.c.number == chosen.c.number)
    shown = placed.order_by(rank, chosen.c.number).limit(top).subquery()
    query = sa.select(rows, shown.c.rank, shown.c.entries).join(shown, shown.c.number == rows.c.number)
    return query.order_by(shown.c.rank, rows.c.number)
