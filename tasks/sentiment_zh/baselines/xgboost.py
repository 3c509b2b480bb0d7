"""Gradient-boosted trees on 3,000 characters, pairs and pieces of text: the English baseline as it is.

TODO-MEASURE
"""

from ...sentiment.baselines.xgboost import predict

__all__ = ["predict"]
