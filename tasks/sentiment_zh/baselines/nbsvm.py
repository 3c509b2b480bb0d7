"""A support vector machine on pieces of text, scaled by naive Bayes: the English baseline as it is.

TODO-MEASURE
"""

from ...sentiment.baselines.nbsvm import predict

__all__ = ["predict"]
