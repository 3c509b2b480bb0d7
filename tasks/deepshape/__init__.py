"""Deepshape: predict how reactive each nucleotide of an RNA is to a SHAPE reagent. The brief is in README.md."""

from kit import Task
from kit.metrics import binary_accuracy, binary_crossentropy, mae, mse, pearson, pooled, spearman

from .data import SOURCES, answers, load

task = Task(
    title="Reactivity of RNA",
    metrics=(mae, pooled(pearson), pooled(spearman), mse, binary_accuracy, binary_crossentropy),
    baseline="resnet1d",
    load=load,
    answers=answers,
    sources=tuple(SOURCES),
)
