"""The Spec and the Answers of a task, prepared once and kept in the cache, so that judging takes an instant.

They are kept as plain .npy files and memory-mapped. The folder's name carries a key of everything they were made from
(`kit.origin`): change the task, or a file that it reads, and they are prepared anew, under another fingerprint where
the answers differ.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import origin, workspace
from kit.errors import KitError, SourceError, did_you_mean, first_line
from kit.prepared import Damaged, Prepared, open_, write
from kit.task import Answers, Data, Spec, Task

if TYPE_CHECKING:
    from kit.metrics import Metric, WholeMetric

_CHOSEN: dict[Path, str] = {}  # sources chosen in workspaces that cannot be written to


def folder(task: Task, source: str | None = None) -> Path:
    """Where the Spec and Answers are kept, of this task as it stands, from that source or the one in use."""
    parts = ("prepared", origin.key(task), *filter(None, [source or chosen_source(task)]))
    return workspace.cache() / task.name / "-".join(parts)


def chosen_source(task: Task) -> str | None:
    """Which of a task's sources this workspace uses: the one last prepared stays chosen. None where nothing was.

    Older kits kept one choice in the cache, for all workspaces; it counts until a workspace has its own.
    """
    for note in (_note(task), workspace.cache() / task.name / "source"):
        try:
            kept = _CHOSEN.get(note) or note.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if kept in task.sources:
            return kept
    return None


def _note(task: Task) -> Path:
    return workspace.root() / "leaderboard" / f"{task.name}.source"


def _choose(task: Task, source: str | None) -> None:
    note = _note(task)
    if source is None or (note.is_file() and chosen_source(task) == source):
        return
    try:
        with workspace.replacing(note) as file:
            file.write(f"{source}\n".encode())
        _CHOSEN.pop(note, None)
    except OSError:  # reading needs no right to write: the choice holds as long as this process
        _CHOSEN[note] = source


def load(task: Task, source: str | None = None) -> Data:
    """The task's data, prepared for judging; from `source`, else the one in use, else the first that can be had."""
    before = origin.key(task)
    data, used = _load(task, source)
    ready(task, used, data if origin.key(task) == before else None)  # else its files changed meanwhile
    return data


def _load(task: Task, source: str | None) -> tuple[Data, str | None]:
    """The data and, where the task has several, the name of the source it came from."""
    from kit import checks

    checks.raise_any(task.name, checks.missing_faults(task))
    if not task.sources:
        if source is not None:
            raise KitError(f"{task.name} has one source of data only; leave --source out.")
        return _call(task, "load"), None
    source = source or chosen_source(task)
    if source is not None and source not in task.sources:
        raise KitError(f"{task.name} has no source {source!r}. {did_you_mean(source, task.sources)}")
    candidates = [source] if source else list(task.sources)
    for candidate, after in zip(candidates, [*candidates[1:], None], strict=True):
        try:
            return _call(task, "load", candidate), candidate
        except SourceError as problem:
            if after is None:
                raise
            from kit import render

            render.note(f"{problem}\nUsing the source {after!r} instead.")
    raise AssertionError("a task's sources are never empty here")


def _call(task: Task, name: str, *arguments: str) -> Any:
    """What load() or answers() of a task gives; what goes wrong in it is one line that names the task and the place."""
    try:
        return getattr(task, name)(*arguments)
    except KitError as error:
        if type(error) is not KitError:
            raise
        raise KitError(f"Task {task.name}: {name}() failed: {error}") from error
    except Exception as error:
        if isinstance(error, OSError) and (explained := workspace.explained(error)):
            raise explained from error  # no fault of the task's
        place, step = "", error.__traceback__
        while step is not None:
            file = Path(step.tb_frame.f_code.co_filename)
            place = f", in {file}, line {step.tb_lineno}" if task.folder in file.parents else place
            step = step.tb_next
        words = f"{type(error).__name__}: {first_line(error)}" if str(error) else type(error).__name__
        raise KitError(f"Task {task.name}: {name}() failed{place}: {words}") from error


def ready(task: Task, source: str | None = None, data: Data | None = None) -> Prepared:
    """The Spec and Answers, from that source or the one in use; prepares them first where need be."""
    used = source or chosen_source(task)
    if used or not task.sources:
        try:
            found = open_(folder(task, used))
        except Damaged:
            found = None
        if found:
            _choose(task, used)
            return found
    return _prepare(task, used, data)


def kept(task: Task) -> Prepared | None:
    """The same where it was prepared already, else None; nothing is prepared. KitError where it is damaged."""
    return open_(folder(task))


def earlier(task: Task) -> Iterator[Prepared]:
    """What is still kept of the task as it once was, or from another source; damaged folders are passed over."""
    now = folder(task)
    for place in sorted(now.parent.glob("prepared-*")):
        with suppress(KitError):
            if place != now and (found := open_(place)):
                yield found


def refresh(task: Task, source: str | None = None) -> str | None:
    """Prepare a task anew; the fingerprint of its answers before, None where none could be read."""
    try:
        before = open_(folder(task, source))
    except Damaged:
        before = None
    _prepare(task, source, None, anew=True)
    return before.answers.fingerprint if before else None


def prepared(task: Task) -> Path:
    """The folder with the prepared Spec and Answers; prepares them first where need be."""
    return ready(task).folder


def spec(task: Task) -> Spec:
    return ready(task).spec


def answers(task: Task) -> Answers:
    """The answers, complete: public, groups and ids are never None here, truth is float32."""
    return ready(task).answers


def complete(given: Answers, spec: Spec, name: str, metrics: "Sequence[Metric | WholeMetric]" = ()) -> Answers:
    """An organiser's answers, checked and completed; see `kit.answers.complete`."""
    from kit import answers as judging

    return judging.complete(given, spec, name, metrics)


def fingerprint(task: Task) -> str:
    return ready(task).answers.fingerprint


def fingerprints(task: Task) -> tuple[str, str]:
    """Of the answers: the one that new entries carry, and the one by which entries of older boards know them."""
    return ready(task).fingerprints


def source(task: Task) -> str:
    """Where the task's data came from, in words."""
    return ready(task).source


def _prepare(task: Task, source: str | None, data: Data | None, anew: bool = False, again: bool = True) -> Prepared:
    """Load, check and keep; once more where the task's files changed meanwhile, as when loading writes some."""
    before = origin.key(task)
    if data is None:
        data, source = _load(task, source)
    given = _call(task, "answers", *filter(None, [source]))
    if again and origin.key(task) != before:
        return _prepare(task, source, None, anew, again=False)
    full = _checked(task, data, given)
    place = folder(task, source)
    try:
        write(place, data, full, anew)
    except OSError as error:
        message = f"{place}, where {task.name} is to be prepared, cannot be written: {error.strerror}."
        raise workspace.explained(error) or KitError(message) from error
    found = open_(place)
    if found is None:
        raise KitError(f"{place}, where {task.name} was prepared, is gone. Run the command again.")
    _choose(task, source)
    return found


def _checked(task: Task, data: Any, given: Any) -> Answers:
    """The answers, complete; TaskError with everything that is wrong with the task, its data and its answers."""
    from kit import answers as judging
    from kit import checks

    faults = checks.baseline_faults(task) + checks.data_faults(data)
    if isinstance(data, Data) and isinstance(data.spec, Spec):
        faults += judging.spec_faults(data.spec) + judging.answer_faults(given, data.spec)
        faults += judging.fit_faults(task.metrics, data.spec)
    checks.raise_any(task.name, faults)
    return judging.completed(given, data.spec)
