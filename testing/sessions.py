"""Running a session over an array on the simulated endpoint."""

import threading

import numpy as np

from streamsep.audio.devices.simulated import SimulatedEndpoint
from streamsep.realtime import Session


def play(session: Session, signal: np.ndarray, frames: int, *, between=None) -> np.ndarray:
    """Feed (C, N) and return what came out, (C, at least N + latency); raises session faults."""
    endpoint = SimulatedEndpoint(
        signal, frames, between=between or (lambda index: session.wait_idle())
    )
    with session:
        endpoint.run(session.process_block, threading.Event(), tail=session.latency.session)
        session.check()
    return endpoint.output
