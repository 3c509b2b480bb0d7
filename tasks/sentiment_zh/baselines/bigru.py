"""A recurrent network over characters with attention: the English baseline, each Chinese character a word.

TODO-MEASURE
"""

from ...sentiment.baselines.bigru import predict

__all__ = ["predict"]
