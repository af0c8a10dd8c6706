"""The options of ``streamsep separate`` that spread the work over a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from streamsep.cli.number_types import Finite

OWN = ""  # an address: whatever RAY_ADDRESS says, or else a cluster of this machine alone


@dataclass(frozen=True, slots=True)
class RayOptions:
    """What is asked of a cluster; ``address`` is None where there is to be none."""

    address: str | None
    gpus_per_worker: float
    manifest: str | None
    dry_run: bool
    prometheus: str | None

    def refuse_alone(self) -> None:
        """Refuse the other options where there is no cluster.

        Raises
        ------
        click.UsageError
            If one is given.
        """
        given = {
            "--gpus-per-worker": self.gpus_per_worker,
            "--manifest": self.manifest,
            "--dry-run": self.dry_run,
            "--prometheus": self.prometheus,
        }
        for name, value in given.items():
            if value:
                raise click.UsageError(f"{name} goes with --ray")


def _address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value in (None, OWN, "auto", "local") or re.fullmatch(r"[^/\s]+:\d+", value or ""):
        return value
    raise click.BadParameter(
        f"{value!r} is no address; expected HOST:PORT, auto or local; "
        "without an address, give --ray at the end",
        ctx=context,
        param=option,
    )


OPTIONS = (
    click.option(
        "--ray",
        "ray_address",
        is_flag=False,
        flag_value=OWN,
        callback=_address,
        metavar="[ADDRESS]",
        help="Spread the work over a Ray cluster, HOST:PORT; without an address the one of "
        "RAY_ADDRESS, or else this machine's cores. Files and -o may be URIs then, e.g. "
        "s3://bucket/songs. (Needs the extra 'ray'.)",
    ),
    click.option(
        "--gpus-per-worker",
        type=Finite(min=0.0, max=64.0),
        default=0.0,
        metavar="SHARE",
        help="With --ray: of a GPU, e.g. 0.25 for four workers on each.  [default: a core each]",
    ),
    click.option(
        "--manifest",
        metavar="FILE|URI",
        help="With --ray: the record, a row a song, .csv or .parquet.  "
        "[default: streamsep-manifest.csv in the folder of -o]",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="With --ray: separate a few songs, keep nothing, and say what all would take.",
    ),
    click.option(
        "--prometheus",
        metavar="FILE",
        help="With --ray: keep totals there in Prometheus' text format.",
    ),
)


def ray_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, as one argument ``cluster``."""

    @wraps(command)
    def joined(
        *arguments: Any,
        ray_address: str | None,
        gpus_per_worker: float,
        manifest: str | None,
        dry_run: bool,
        prometheus: str | None,
        **others: Any,
    ) -> Any:
        cluster = RayOptions(ray_address, gpus_per_worker, manifest, dry_run, prometheus)
        return command(*arguments, cluster=cluster, **others)

    for option in reversed(OPTIONS):
        joined = option(joined)
    return joined
