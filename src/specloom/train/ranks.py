"""Several processes that train one model together (started by ``torchrun``); on one process nothing happens."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which of how many processes this is.

    Parameters
    ----------
    rank, world : int
        ``0 <= rank < world``. Rank 0 evaluates, saves and reports.
    """

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that evaluates, saves and reports."""
        return self.rank == 0

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor by its mean over ranks, in one message."""
        if self.world == 1:
            return
        kept = list(tensors)
        flat = torch.cat([one.reshape(-1) for one in kept])
        distributed.all_reduce(flat)
        flat /= self.world
        for one, mean in zip(kept, torch.split(flat, [one.numel() for one in kept]), strict=True):
            one.copy_(mean.view_as(one))

    def as_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor by what rank 0 has."""
        if self.world == 1:
            return
        with torch.no_grad():
            for one in tensors:
                distributed.broadcast(one, src=0)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up on any rank; all ranks get the same answer."""
        if self.world == 1:
            return flag
        raised = torch.tensor([float(flag)], device=device)
        distributed.all_reduce(raised)
        return bool(raised.item() > 0)

    def largest(self, value: float, device: torch.device) -> float:
        """The largest value on any rank, on all of them."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
        return float(shared.item())

    def share(self, content: bytes | None) -> bytes | None:
        """What rank 0 has, on every rank."""
        if self.world == 1:
            return content
        box: list[bytes | None] = [content]
        distributed.broadcast_object_list(box, src=0)
        return box[0]


def join_ranks(device: torch.device) -> Ranks:
    """Join the processes that ``torchrun`` started; one process on its own is ``Ranks()``."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Ranks()
    # This module keeps the group that it finds at import (as default arguments), and optimisers import it: imported
    # after the group is made, it holds the group, whose threads then outlive `leave_ranks` and may abort at exit.
    import torch.distributed.nn.functional  # noqa: F401

    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(rank=distributed.get_rank(), world=world)


def leave_ranks() -> None:
    """Undo `join_ranks`."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
