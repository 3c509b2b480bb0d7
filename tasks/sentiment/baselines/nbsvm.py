"""A support vector machine on phrases that are present, each scaled by how much more often positive texts hold it.

Wang & Manning, "Baselines and Bigrams" (ACL 2012): naive Bayes chooses the scale, the SVM the weights.

Measured: accuracy 0.7963, roc auc 0.871, in 1.6 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

from kit import Data, Run

from ._words import PATTERN, counted
from .tfidf import sides, sureness

PHRASES, PIECES, LEAST_TEXTS = (1, 2), (3, 5), 2  # words of a phrase, characters of a piece, texts that hold it
INVERSE_PENALTY, SMOOTHING = 0.003, 1.0
STEEPNESS = 2.0  # of the curve from the SVM's margin to a probability


def predict(data: Data, run: Run) -> np.ndarray:
    train, test = features(data)
    positive, weight = sides(data.y_train), sureness(data.y_train)
    scale = log_ratio(train, weight * positive) - log_ratio(train, weight * ~positive)
    model = LinearSVC(C=INVERSE_PENALTY, random_state=run.seed)
    model.fit(train.multiply(scale).tocsr(), positive, sample_weight=weight)
    margin = model.decision_function(test.multiply(scale).tocsr())
    return 1 / (1 + np.exp(-STEEPNESS * margin))


def features(data: Data) -> tuple[csr_matrix, csr_matrix]:
    """(n_train, n_features) and (n_test, n_features), 1 where a text holds a phrase or a piece of a word."""
    counters = [
        CountVectorizer(token_pattern=PATTERN, ngram_range=PHRASES, min_df=LEAST_TEXTS, binary=True),
        CountVectorizer(analyzer="char_wb", ngram_range=PIECES, min_df=LEAST_TEXTS, binary=True),
    ]
    train = hstack(counted(counters, data.x_train), format="csr", dtype=float)
    test = hstack([counter.transform(data.x_test) for counter in counters], format="csr", dtype=float)
    return train, test


def log_ratio(train: csr_matrix, weight: np.ndarray) -> np.ndarray:
    """(n_features,) log share of each feature among those of the weighted rows, as naive Bayes counts them."""
    counts = SMOOTHING + weight @ train
    return np.log(counts / counts.sum())
