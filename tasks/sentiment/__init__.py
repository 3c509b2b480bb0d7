"""Is a sentence from a movie review positive? The brief is in README.md."""

from dataclasses import replace

from kit import Task
from kit.metrics import binary_accuracy, binary_crossentropy, roc_auc

from .data import answers, load

task = Task(
    title="Movie review sentences",
    metrics=(replace(binary_accuracy, name="accuracy"), roc_auc, binary_crossentropy),
    baseline="tfidf",
    load=load,
    answers=answers,
)
