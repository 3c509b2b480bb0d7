"""Every shipped baseline on hardly any data, with odd settings: it works, or says in one line why it cannot."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit import code, predictions, run, tasks
from kit.errors import KitError
from kit.task import Data, Run, Spec
from tests.conftest import load_or_skip

N_TEST = 12
SHIPPED = [
    pytest.param(path.parts[-3], path.stem, id=f"{path.parts[-3]}.{path.stem}")
    for path in sorted((Path(__file__).parent.parent / "tasks").glob("*/baselines/[!_]*.py"))
]
ODD: list[dict[str, Any]] = [
    {"rows": 1},
    {"rows": 2},
    {"rows": 2, "batch_size": 1},
    {"rows": 3, "learning_rate": 0},
    {"rows": 7},
    {"rows": 16, "batch_size": 1},
    {"rows": 40, "batch_size": 10**9},
    {"rows": 40, "learning_rate": 1e10},
    {"rows": 40, "seed": 2**32 - 1},
]


def small(task: str, rows: int) -> Data:
    """The first training rows, and the first test rows."""
    data = load_or_skip(task).head(rows)
    spec = data.spec
    required = None if spec.required is None else spec.required[:N_TEST]
    few = Spec(spec.ids[:N_TEST], spec.columns, spec.kind, required, spec.cell)
    return replace(data, x_test=data.x_test[:N_TEST], spec=few)


def some_pairs(codes: np.ndarray) -> np.ndarray:
    """(n, 128, 128) float16: pairing probabilities that nobody had to fold."""
    maps = np.random.default_rng(0).random((len(codes), 128, 128)) / 128
    return ((maps + maps.transpose(0, 2, 1)) / 2).astype(np.float16)


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize(("task", "name"), SHIPPED)
def test_a_baseline_copes_with_hardly_any_data(
    task: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if task == "deepshape":  # folding all sequences takes minutes, and hardly any of them are wanted
        monkeypatch.setattr("kit.tasks.deepshape.pairing.folded", lambda source, codes: some_pairs)
    read = code.of(tasks.find(task), name).reads()
    module: Any = importlib.import_module(f"kit.tasks.{task}.baselines.{name}")
    outcomes = {}
    for number, odd in enumerate(ODD):
        options = {option: value for option, value in odd.items() if option in (*read, "seed")}
        data = small(task, options.pop("rows", 1))
        options |= {"epochs": 1} if "epochs" in read else {}
        run.seed_everything(options.get("seed", 0))
        try:
            found = module.predict(data, Run(wanted_device="cpu", folder=tmp_path / str(number), **options))
            predictions.read(np.asarray(found), data.spec)
            outcomes[number] = "works"
        except KitError as error:
            outcomes[number] = str(error)
        except Exception as error:
            raise AssertionError(f"{odd}: {error!r}") from error
    print(outcomes)
    assert all("\n" not in told.replace("\n  - ", "") for told in outcomes.values())
    assert outcomes[len(ODD) - 1] == "works"
