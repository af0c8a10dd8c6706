"""Tiny made-up music: short enough to be fast, long enough for an excerpt."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile as sf
import torch
from numpy.typing import NDArray

from export.recipes.live import network

RATE = 44_100


def tone(hz: float, seconds: float, level: float = 0.2, rate: int = RATE) -> NDArray[np.float32]:
    """Return a stereo tone, shape (frames, 2), a little softer on the right."""
    time = np.arange(int(seconds * rate)) / rate
    mono = level * np.sin(2 * np.pi * hz * time)
    return np.stack([mono, 0.8 * mono], axis=1).astype(np.float32)


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Sum in one order, so that results repeat; and don't wait for threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _norms_of_few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure norms on few items: 128 of three seconds take longer than what is tested."""
    monkeypatch.setattr("export.recipes.live.task.CALIBRATION_ITEMS", 4)


def narrow_live_network(monkeypatch: pytest.MonkeyPatch, hidden: int) -> None:
    """Have the live recipe train a network of few channels."""
    config = partial(network.CausalConfig, channels=(4,) * 6, hidden=hidden)
    monkeypatch.setattr(network, "CausalConfig", config)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the live recipe train a small network."""
    narrow_live_network(monkeypatch, 8)


@pytest.fixture(autouse=True)
def _memory_given_back() -> Iterator[None]:
    """Give back what networks as large as they are trained took: the C library would keep it.

    Half a gigabyte in each process that runs some of these tests, until its end.
    """
    before = resident_bytes()
    yield
    if resident_bytes() > before + 64 * 2**20:
        gc.collect()  # a network, its optimiser and their wrappers hold each other
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
        if trim is not None:
            trim(0)


def resident_bytes() -> int:
    """Return the memory of this process; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """Collect the instruments of each MIDI file that is saved, to be played."""
    saved: list[set[int]] = []
    save = mido.MidiFile.save

    def spy(song: mido.MidiFile, path: Path) -> None:
        saved.append({m.program for t in song.tracks for m in t if m.type == "program_change"})
        save(song, path)

    monkeypatch.setattr(mido.MidiFile, "save", spy)
    return saved


@pytest.fixture
def make_song(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes one song folder: a tone per stem."""

    def make(
        name: str,
        *,
        root: str = "songs",
        seconds: float = 7.0,
        suffix: str = ".wav",
        rate: int = RATE,
        level: float = 0.2,
        **stems: float,
    ) -> Path:
        folder = tmp_path / root / name
        folder.mkdir(parents=True)
        for stem, hz in stems.items():
            sf.write(folder / f"{stem}{suffix}", tone(hz, seconds, level, rate), rate)
        return tmp_path / root

    return make
