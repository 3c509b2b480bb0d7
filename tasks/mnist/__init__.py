"""MNIST: read handwritten digits. The brief is in README.md."""

from kit import Task
from kit.metrics import accuracy, log_loss, macro_f1

from .data import answers, load

task = Task(
    title="Handwritten digits",
    metrics=(accuracy, log_loss, macro_f1(10)),
    baseline="cnn",
    load=load,
    answers=answers,
)
