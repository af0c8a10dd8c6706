"""Built-in models of a test's own, in the place of those that are installed."""

from streamsep.models.integrity import with_hash
from tests.support import models

LATE = dict(frames_per_run=4, stride_frames=4, lookahead_frames=8)


class Weights:
    """A folder of models that pass for the built-in ones while a test runs.

    All leave the song as it is, so that what is heard tells its place and nothing else. The best
    one hears a whole window, as the real one does.

    Parameters
    ----------
    folder
        Where they are.
    monkeypatch
        Puts them in place.
    """

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        folder.mkdir()
        self.add("live")
        self.add("light")
        self.add("tutorial", **LATE)
        for place in ("streamsep.models.quality", "streamsep.live.model_probe"):
            monkeypatch.setattr(f"{place}.builtin_file", self.file)

    def add(self, name, **spec):
        return models.constant_mask(self.folder / f"{name}.onnx", name=name, **spec)

    def add_best(self, **spec):
        """The best one: a window of eight frames, two of them new and two to look ahead."""
        window = dict(mode="sliding", frames_per_run=8, stride_frames=2, lookahead_frames=3)
        path = self.add("studio", **(window | spec))
        path.write_bytes(with_hash(path.read_bytes(), (1.0,)))
        return path

    def file(self, name):
        path = self.folder / f"{name}.onnx"
        return path if path.is_file() else None
