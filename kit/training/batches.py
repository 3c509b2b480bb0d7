"""Shuffled batches of tensors that stay where they are: no loader and no worker processes are needed for them."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from kit.task import Array
from kit.training import devices

_POOL = 50  # batches' worth of rows, drawn at random, that are then sorted by length


class Batches:
    """One epoch of batches each time it is walked through; the last one may be smaller.

    padding: what fills the rows of the first tensor, (n_rows, longest), at their ends. Batches then hold rows of like
    length and are cut to the longest of them: little is computed for nothing.

    Of several processes each gets its share of every batch. The order is drawn when an epoch begins, from the random
    state at that time; `go_on` takes it up in the middle.
    """

    def __init__(self, tensors: Sequence[Tensor], size: int, padding: int | None = None) -> None:
        self.tensors, self.size = tensors, size
        self.lengths = None if padding is None else lengths(tensors[0], padding)
        self._count = len(self._cut(torch.arange(len(tensors[0]))))
        self.weight = 1.0  # of the batch at hand: this process's rows times the processes, over the rows of all of them
        self._skip: tuple[int, dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self._count

    def go_on(self, after: int, state: dict[str, Any]) -> None:
        """The next epoch leaves out its first `after` batches; the random state is then what it was after them."""
        self._skip = after, state

    @property
    def going_on(self) -> bool:
        """Whether the next epoch begins in its middle."""
        return self._skip is not None

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = self._order()
        if self._skip is not None:
            after, state = self._skip
            order, self._skip = order[after:], None
            devices.set_random_state(state)
        n_processes = devices.world()
        for rows in order:
            mine = devices.share(rows) if n_processes > 1 else rows
            self.weight = len(mine) * n_processes / len(rows)
            inputs, *others = (tensor[mine.to(tensor.device)] for tensor in self.tensors)
            yield (inputs if self.lengths is None else inputs[:, : int(self.lengths[rows].max())]), *others

    def _order(self) -> list[Tensor]:
        """The row numbers of each batch of an epoch."""
        order = torch.randperm(len(self.tensors[0])).to(self.tensors[0].device)
        if self.lengths is None:
            return self._cut(order)
        pools = order.split(_POOL * self.size)
        batches = self._cut(torch.cat([pool[self.lengths[pool].argsort()] for pool in pools]))
        return [batches[number] for number in torch.randperm(len(batches)).tolist()]

    def _cut(self, order: Tensor) -> list[Tensor]:
        """Batches of `size` rows. A last one too small to normalise over, in any process, joins the one before it."""
        batches = list(order.split(self.size))
        if len(batches) > 1 and len(batches[-1]) < 2 * devices.world():
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches


def lengths(x: Tensor, padding: int) -> Tensor:
    """(n_rows,) how many values of each row come before its padding; at least 1, for a batch must have some width."""
    places = torch.arange(1, x.shape[1] + 1, device=x.device)
    return ((x != padding) * places).amax(dim=1).clamp(min=1)


def split(n_rows: int, share: float | Tensor, groups: Array | None = None) -> tuple[Tensor, Tensor]:
    """(rows held out, rows trained on): a share of them at random, whole groups at a time, or those a mask names."""
    if isinstance(share, Tensor):
        return share.nonzero().squeeze(1), (~share).nonzero().squeeze(1)
    if groups is not None and share:
        names, of_row = torch.unique(torch.as_tensor(groups), return_inverse=True)
        order = torch.randperm(len(names))
        sizes = torch.bincount(of_row)[order].cumsum(0)
        return split(n_rows, torch.isin(of_row, order[sizes <= share * n_rows]))
    order = torch.randperm(n_rows)
    cut = round(n_rows * share)
    return order[:cut], order[cut:].sort().values
