"""``label``: songs without stems become songs with estimated ones."""

from __future__ import annotations

from pathlib import Path

import click

from export.cli.studio import wheel_option
from export.cli.to_onnx import threads_option

FILE = click.Path(path_type=Path)


@click.command("label")
@click.argument("songs", type=FILE, nargs=-1, required=True)
@wheel_option
@click.option("--out", type=FILE, required=True, help="A folder for 'prepare --songs'.")
@threads_option
def label_songs(songs: tuple[Path, ...], wheel: Path, out: Path, threads: int | None) -> None:
    """Write the parts of SONGS, files or folders, in which Spleeter's networks are sure.

    Each part is a folder with vocals and other, six seconds long or more. Labels are Spleeter's
    estimates; the licence is that of each song.
    """
    import torch

    from export.cli.progress_bar import make_progress
    from export.constants import SAMPLE_RATE
    from export.data.audio import read_stereo_44k
    from export.data.sources import find_accompaniment, track_id
    from export.recipes.spleeter.label import label
    from export.recipes.spleeter.pair import Pair
    from export.recipes.spleeter.weights import read_wheel

    if threads is not None:
        torch.set_num_threads(threads)
    found: dict[str, Path] = {}
    for song in songs:
        if song.is_dir():
            found |= {track.id: track.members[0] for track in find_accompaniment(song)}
        else:
            found[track_id(song.parent, song.with_suffix(""))] = song
    pair = Pair(*(read_wheel(wheel, stem) for stem in ("vocals", "accompaniment")))
    kept = heard = 0.0
    with make_progress() as progress:
        for name, path in progress.track(found.items(), description="labelling"):
            sound = read_stereo_44k(path)
            seconds = label(sound, pair, out, name)
            kept, heard = kept + sum(seconds), heard + sound.shape[1] / SAMPLE_RATE
            progress.console.print(f"{path}: {len(seconds)} parts, {sum(seconds):.0f} s")
    click.echo(f"{kept / 60:.1f} of {heard / 60:.1f} minutes are sure, in {out}")
