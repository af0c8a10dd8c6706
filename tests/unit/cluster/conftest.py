"""A real object store on this machine, and songs in it."""

import io

import fsspec
import pytest
import soundfile as sf
from moto.server import ThreadedMotoServer

from testing.signals import music
from tests.support import models

# Loopback, and told from Ray's nodes; nothing else listens on these addresses.
STORE_HOST = "127.0.0.5"


def song_bytes(seconds=1.0, seed=0, rate=44_100):
    file = io.BytesIO()
    sf.write(file, music(seconds, sample_rate=rate, seed=seed).T, rate, format="WAV")
    return file.getvalue()


class Store:
    """A bucket; its address is in the environment of whoever is started from here."""

    def __init__(self):
        self.port = 0
        self.start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{STORE_HOST}:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "*",
        }
        self.top = "s3://songs"

    def start(self):
        """Start the server, or start it again with what it held."""
        self.server = ThreadedMotoServer(ip_address=STORE_HOST, port=self.port, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]

    @property
    def fs(self):
        return fsspec.core.url_to_fs(self.top, use_listings_cache=False)[0]

    def put(self, name, content):
        self.fs.pipe_file(f"{self.top}/{name}", content)
        return f"{self.top}/{name}"

    def get(self, uri):
        return self.fs.cat_file(uri)

    def names(self, folder=""):
        return sorted(name.removeprefix("songs/") for name in self.fs.find(f"songs/{folder}"))


@pytest.fixture(scope="module")
def store():
    there = Store()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in there.environment.items():
            patch.setenv(name, value)
        there.fs.makedirs("songs", exist_ok=True)
        yield there
        fsspec.filesystem("s3").clear_instance_cache()
        there.server.stop()


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A model whose vocals and beat are half of the mixture each."""
    return models.constant_mask(tmp_path_factory.mktemp("models") / "half.onnx", 0.5)


@pytest.fixture
def bucket(store):
    """The store, emptied."""
    for name in store.names():
        store.fs.rm_file(f"songs/{name}")
    return store


def hashes(folder):
    """Return the content of every stem in a local folder by its name there."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav"))
    }
