"""How much memory a piece of work takes at its peak: of this process on Linux, of the GPU where one computes."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import torch

OWN = Path("/proc/self")


def watch_memory(device: torch.device) -> int | None:
    """Begin a new peak and return what is taken now, in bytes; None where the system does not tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.memory_allocated())
    if sys.platform != "linux":
        return None
    give_back()  # what is taken again counts again
    try:
        (OWN / "clear_refs").write_text("5", encoding="ascii")  # proc(5): the peak of the resident memory begins anew
        return _bytes("VmRSS")
    except OSError:
        return None


def give_back() -> None:
    """Give freed memory back to the system, where the C library keeps it (glibc: several GB after a step, in each thread that made one)."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def peak_memory(device: torch.device) -> int:
    """Return the peak since `watch_memory`, in bytes."""
    return int(torch.cuda.max_memory_allocated()) if device.type == "cuda" else _bytes("VmHWM")


def _bytes(name: str) -> int:
    lines = (OWN / "status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
