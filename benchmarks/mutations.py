"""Does a test fail where the code is wrong? Each mutation below makes one thing wrong, in a copy, and names its test.

    python benchmarks/mutations.py [--only training] [--sample 5]

Prints a line for each: killed (its test failed), or SURVIVED. The exit code is 1 where one survived, or where the text
to change is no longer there.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("kit", "tasks", "tests", "README.md", "pyproject.toml", "Makefile", "benchmarks")


@dataclass(frozen=True)
class Mutation:
    """Text of a file, what it is changed to, and the test that must fail then (as pytest selects it)."""

    file: str
    old: str
    new: str
    test: str


ENGINE, LOOP, BATCHES = "kit/training/engine.py", "kit/training/loop.py", "kit/training/batches.py"
ORACLE, RESUME = "tests/test_training_oracle.py::", "tests/test_resume.py::"
TRAINING = "tests/test_training.py::"
STEPS = ORACLE + "test_the_loop_takes_the_steps_of_one_written_by_hand"
BEST = ORACLE + "test_the_best_epoch_is_kept_and_patience_counts_from_it"
HELD_OUT = ORACLE + "test_rows_held_out_are_never_trained_on_and_never_augmented"
RUNS = "tests/test_runs.py::"
ELSE = RUNS + "test_a_run_does_not_go_on_with_anything_else"
MUTATIONS = [
    Mutation(ENGINE, "            kept = keeper.ema_model\n", "", STEPS),
    Mutation(ENGINE, "momentum=1 - self.recipe.average", "momentum=self.recipe.average", STEPS),
    Mutation(ENGINE, "self.judge.measure(self.kept", "self.judge.measure(self.model", ORACLE + "test_the_averaged"),
    Mutation(ENGINE, "weight_decay=recipe.weight_decay", "weight_decay=0.01", STEPS),
    Mutation(ENGINE, "int(recipe.warm_up * self.last_step)", "int(0.2 * self.last_step)", STEPS),
    Mutation(ENGINE, "(0, rate / 25)", "(0, rate)", STEPS),
    Mutation(ENGINE, "(self.last_step, rate / 1e4)", "(self.last_step, rate)", STEPS),
    Mutation(ENGINE, "        self.optimizer.zero_grad()\n", "", STEPS),
    Mutation(ENGINE, "self.recipe.clip)\n        self.opt", "1e9)\n        self.opt", STEPS),
    Mutation(ENGINE, "self.total += loss", "self.total = loss", STEPS),
    Mutation(ENGINE, "self.goodness > self.most", "self.goodness >= self.most", BEST),
    Mutation(ENGINE, "self.goodness > self.most", "True", BEST),
    Mutation(ENGINE, "value if metric.higher_is_better else -value", "value", BEST + "[lower]"),
    Mutation(ENGINE, "        self.kept.load_state_dict(self.best)\n", "", BEST),
    Mutation(ENGINE, "EarlyStopping(recipe.patience,", "EarlyStopping(recipe.patience + 1,", BEST),
    Mutation(ENGINE, "            self.stopping(engine)\n", "            pass\n", BEST),
    Mutation(
        ENGINE,
        "self.best, self.best_epoch, self.most = state",
        "self.best, self.best_epoch, _ = state",
        ORACLE + "test_a_run_that_goes_on_remembers",
    ),
    Mutation(ENGINE, '"average": self.kept}', '"averages": self.model}', RESUME + "test_ctrl_c_finishes"),
    Mutation(ENGINE, "            devices.set_random_state(self.epoch_chance)\n", "", RESUME + "test_ctrl_c_finishes"),
    Mutation(
        ENGINE,
        'self.total = state["total"].to(self.device)',
        "pass",
        ORACLE + "test_the_loss_of_an_epoch_that_was_interrupted",
    ),
    Mutation(ENGINE, "first = self.recipe.augment(first) if self.recipe.augment else first", "pass", HELD_OUT),
    Mutation(ENGINE, '"patience", "data")', '"patience")', ORACLE + "test_a_checkpoint_does_not_fit"),
    Mutation(LOOP, "epochs if run.epochs is None else run.epochs", "epochs", TRAINING + "test_the_run_decides"),
    Mutation(
        LOOP,
        "learning_rate if run.learning_rate is None else run.learning_rate",
        "run.learning_rate or learning_rate",
        ORACLE + "test_a_learning_rate_of_zero",
    ),
    Mutation(
        LOOP,
        "batch_size if run.batch_size is None else run.batch_size",
        "batch_size",
        TRAINING + "test_the_run_decides_batches",
    ),
    Mutation(LOOP, "[tensor[kept] for tensor in", "[tensor for tensor in", HELD_OUT),
    Mutation(LOOP, "y[held_out], padding)", "y[:len(held_out)], padding)", BEST),
    Mutation(LOOP, "[*inputs, y, weights]", "[*inputs, y, weights.flip(0)]", STEPS),
    Mutation(LOOP, 'return _with(model, saved["best"], run)', "return model", RESUME + "test_a_finished_training"),
    Mutation(LOOP, "checkpoints.clear(folder)", "pass", RESUME + "test_a_new_training_takes_nothing"),
    Mutation(BATCHES, "torch.randperm(len(self.tensors[0]))", "torch.arange(len(self.tensors[0]))", STEPS),
    Mutation(BATCHES, "if len(batches) > 1 and", "if False and", TRAINING + "test_a_last_batch_too_small"),
    Mutation(BATCHES, "pool[self.lengths[pool].argsort()]", "pool", ORACLE + "test_padding"),
    Mutation(BATCHES, "sizes <= share * n_rows", "sizes <= n_rows", TRAINING + "test_whole_groups"),
    Mutation("kit/training/inference.py", "[order.argsort()]", "[order]", ORACLE + "test_padding"),
    Mutation("kit/training/inference.py", "    model.eval()\n", "", TRAINING + "test_a_model_in_training_is_left"),
    Mutation(
        "kit/training/checkpoints.py",
        "if (wrong := parts.testzip()) is not None:",
        "if wrong := None:",
        RESUME + "test_every_damage",
    ),
    Mutation(
        "kit/training/checkpoints.py",
        "weights_only=True",
        "weights_only=False",
        RESUME + "test_a_checkpoint_that_would_run_code",
    ),
    Mutation(
        "kit/training/stops.py",
        "always: bool = False) -> tuple",
        "always: bool = True) -> tuple",
        TRAINING + "test_on_a_device_that_is_slow",
    ),
    Mutation("kit/run.py", "    random.seed(seed)\n", "", ORACLE + "test_a_seed_decides"),
    Mutation("kit/run.py", "        torch.manual_seed(seed)\n", "", ORACLE + "test_a_seed_decides"),
    Mutation(
        "kit/run.py",
        'if start == "new" and not isinstance',
        "if False and not isinstance",
        RUNS + "test_a_run_that_is_refused_later",
    ),
    Mutation("kit/run.py", "if not wanted.submit:", "if False:", RUNS + "test_what_is_only_tried"),
    Mutation(
        "kit/provenance.py", "digest(file.read_bytes()) for file in source.files", "0 for file in source.files", ELSE
    ),
    Mutation("kit/provenance.py", "{name: digest(value) for name, value in parts.items()}", "{}", ELSE),
    Mutation("kit/code.py", "            waiting += found\n", "", ELSE),
    Mutation(
        "kit/settings.py", "    faults += unread(", "    unread(", RUNS + "test_an_option_that_a_baseline_does_not_read"
    ),
    Mutation("kit/task.py", '_read").add(name)', '_read")', RUNS + "test_parts_of_a_run"),
    Mutation(
        "kit/cli/__init__.py",
        "    except BrokenPipeError:  # such as `kit predict --help | head`\n",
        "    except ZeroDivisionError:\n",
        "tests/test_cli.py::test_a_closed_pipe",
    ),
    Mutation("tasks/mnist/baselines/cnn.py", ", label_smoothing=SMOOTHING", "", ORACLE + "test_smoothed_labels"),
    Mutation("tasks/mnist/README.md", "288.4", "288.5", "tests/test_readme.py::test_a_baselines_figures"),
    Mutation(
        "kit/seals.py",
        "def seal(entry: Entry) -> str:\n",
        "def seal(entry: Entry) -> str:\n    from kit import cli\n",
        "tests/test_layers.py::test_imports_go_one_way",
    ),
    Mutation(
        "kit/ranking.py",
        "from kit import",
        "import scipy\nfrom kit import",
        "tests/test_layers.py::test_heavy_packages",
    ),
]


def killed(mutation: Mutation, place: Path) -> bool | None:
    """Whether the test fails in the copy at `place`; None where there is nothing to change."""
    file = place / mutation.file
    good = file.read_text()
    if mutation.old not in good:
        return None
    file.write_text(good.replace(mutation.old, mutation.new, 1))
    try:
        environment = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        path, _, name = mutation.test.partition("::")
        name, _, case = name.partition("[")
        only = ["-k", f"{name} and {case.rstrip(']')}" if case else name]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", path, *only]
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False).returncode == 1
    finally:
        file.write_text(good)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--only", default="", help="mutations of files whose path holds this")
    options.add_argument("--sample", type=int, help="so many of them, the same each time")
    given = options.parse_args()
    chosen = [mutation for mutation in MUTATIONS if given.only in mutation.file]
    chosen = random.Random(0).sample(chosen, given.sample) if given.sample else chosen
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="kit-mutations-") as folder:
        for name in COPIED:
            source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__")
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder) / name, **({"ignore": ignored} if source.is_dir() else {}))
        for mutation in chosen:
            result = {True: "killed", False: "SURVIVED", None: "NOT THERE"}[killed(mutation, Path(folder))]
            wrong += result != "killed"
            print(f"{result:9}  {mutation.file}: {mutation.old.strip()!r} -> {mutation.new.strip()!r}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} killed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
