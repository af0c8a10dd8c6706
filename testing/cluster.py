"""A real object store and a real Ray cluster on this machine's loopback, and what kills workers."""

import io
import os
import shutil
import signal
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import fsspec
import soundfile as sf

from testing.signals import music

# Loopback, and not 127.0.0.1, which Ray takes for the machine's address in the network.
STORE_HOST = "127.0.0.5"
HEAD = "127.0.0.2"
STORE_BYTES = 80 * 2**20  # of a node's memory; the least that Ray takes is 75 MB
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # else a key is written to the home folder
    # On a busy machine Ray's own programs need longer than the half a minute that they have.
    "RAY_agent_register_timeout_ms": "180000",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_metrics_report_interval_ms": "500",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # which is warned of else
}


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
        from moto.server import ThreadedMotoServer  # half a second, and few tests need it

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


@contextmanager
def running_store():
    """A store that runs, with its bucket; whoever is started meanwhile knows its address."""
    store = Store()
    before = {name: os.environ.get(name) for name in store.environment}
    os.environ.update(store.environment)
    try:
        store.fs.makedirs("songs", exist_ok=True)
        yield store
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        store.server.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def patient(start):
    """Start a node, again if need be: Ray gives one 30 s, which a busy machine may not have."""
    for left in (2, 1, 0):
        try:
            return start()
        except Exception as error:
            if not left or "timed out" not in str(error):
                raise
    return None


class Nodes:
    """A cluster that this process is connected to: so many nodes, with so many cores each.

    What `RAY_ENVIRONMENT` says is to be in the environment before.
    """

    def __init__(self, count=2, cores=1):
        import ray
        from ray.cluster_utils import Cluster

        self._folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # a socket's path may be 100 long
        (Path(self._folder) / "ray").mkdir()
        os.environ["RAY_TMPDIR"] = self._folder  # of the nodes, and of who connects to them
        # Ray takes our word for the GPUs, of which there are none.
        options = dict(
            num_cpus=cores, num_gpus=1, object_store_memory=STORE_BYTES, include_dashboard=False
        )
        head = dict(options, node_ip_address=HEAD)
        self._cluster = None
        try:
            self._cluster = patient(lambda: Cluster(initialize_head=True, head_node_args=head))
            self.address = self._cluster.address
            for number in range(1, count):
                place = dict(node_ip_address=f"127.0.1.{number}")
                self._last = patient(partial(self._cluster.add_node, **options, **place))
            ray.init(
                self.address, _node_ip_address=HEAD, log_to_driver=False, logging_level="ERROR"
            )
        except BaseException:
            self.stop()
            raise

    def metrics(self):
        """Return what Prometheus would read of all nodes."""
        import ray

        text = ""
        for node in ray.nodes():
            address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            with suppress(OSError), urlopen(address, timeout=5) as answer:
                text += answer.read().decode()
        return text

    def lose(self):
        """End the last node as a power cut would."""
        self._cluster.remove_node(self._last, allow_graceful=False)

    def stop(self):
        """End all that was started."""
        import ray

        ray.shutdown()
        if self._cluster is not None:
            self._cluster.shutdown()
        del os.environ["RAY_TMPDIR"]
        shutil.rmtree(self._folder, ignore_errors=True)


def workers_now():
    """Return the numbers of the processes that separate."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::SongWorker"):
                found.append(int(folder.name))
    return found


@contextmanager
def chaos(every_s):
    """Kill a worker every so many seconds, meanwhile; gives the list of those killed."""
    killed, stop = [], threading.Event()

    def run():
        while not stop.wait(every_s):
            for number in workers_now()[:1]:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                    killed.append(number)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()
