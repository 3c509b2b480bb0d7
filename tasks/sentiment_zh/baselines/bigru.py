"""A recurrent network over characters with attention: the English baseline, each Chinese character a word.

Measured: accuracy 0.8349, roc auc 0.908, in 213.3 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

from ...sentiment.baselines.bigru import predict

__all__ = ["predict"]
