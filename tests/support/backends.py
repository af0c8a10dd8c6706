"""Stand-ins at the backend seam."""

from streamsep.separation.backend import OnnxBackend
from streamsep.separation.stateful import StatefulSeparator


class SlowBackend:
    """Stands at the backend seam: a real one whose chosen runs take until they are let go."""

    def __init__(self, real, gate):
        self.spec, self.provider = real.spec, real.provider
        self.features, self.estimate = real.features, real.estimate
        self._real, self._gate = real, gate

    @classmethod
    def separator(cls, path, gate):
        """Load a stateful model that calls ``gate`` before every run."""
        return StatefulSeparator(cls(OnnxBackend(path), gate))

    def run(self, stream=0):
        self._gate()
        self._real.run(stream)

    def reset(self):
        self._real.reset()
