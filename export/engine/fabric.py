"""The processes and the device that a run is spread over, by Lightning Fabric.

``torchrun`` starts a process a device and tells each its rank; without it there is one process.
"""

from __future__ import annotations

import os

from lightning_fabric import Fabric


def make_fabric(accelerator: str = "cpu", *, bf16: bool = False) -> Fabric:
    """Return the Fabric of this process, joined with those of the others.

    Parameters
    ----------
    accelerator
        ``"cpu"`` or ``"cuda"``: which devices to take, one a process.
    bf16
        Whether networks multiply in bfloat16; weights and losses stay float32.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    everywhere = int(os.environ.get("WORLD_SIZE", here))
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=everywhere // here,
        precision="bf16-mixed" if bf16 else "32-true",
    )
    fabric.launch()
    return fabric


def restarted() -> bool:
    """Say whether ``torchrun`` has started this process anew after one of its run had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
