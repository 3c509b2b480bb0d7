"""Logistic regression on characters, pairs of them and pieces of text: the English baseline as it is.

TODO-MEASURE
"""

from ...sentiment.baselines.tfidf import predict

__all__ = ["predict"]
