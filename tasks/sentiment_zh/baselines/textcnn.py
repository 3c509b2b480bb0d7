"""A convolutional network over characters: the English baseline, each Chinese character a word.

TODO-MEASURE
"""

from ...sentiment.baselines.textcnn import predict

__all__ = ["predict"]
