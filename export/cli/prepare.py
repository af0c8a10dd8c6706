"""``prepare``: extract songs to the files that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from export.cli.old_names import RenamedOption
from streamsep.cli.number_types import Finite

if TYPE_CHECKING:
    from export.data.manifest import Track
    from export.data.sources import SourceTrack

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--musdb", type=FOLDER, help="A MUSDB18 folder (holding train/ and test/).")
@click.option("--hq", is_flag=True, help="The MUSDB folder is MUSDB18-HQ (WAV files).")
@click.option("--songs", type=FOLDER, multiple=True, help="Songs: a folder each, a file a stem.")
@click.option("--accompaniment", type=FOLDER, multiple=True, help="Vocal-free pieces, a file each.")
@click.option(
    "--excerpts",
    type=FOLDER,
    multiple=True,
    help="Vocal-free pieces too, of which 25 s of every 75 s will do.",
)
@click.option("--voices", type=FOLDER, multiple=True, help="Solo singing, a folder a singer.")
@click.option("--speech", type=FOLDER, multiple=True, help="Solo speech, a folder a speaker.")
@click.option(
    "--singing-synthesis",
    "sing",
    cls=RenamedOption,
    old_name="--sing",
    type=FOLDER,
    multiple=True,
    help="Voices to turn into other singing, a folder a person.",
)
@click.option("--midi", type=FOLDER, multiple=True, help="MIDI files to render: vocal-free music.")
@click.option(
    "--soundfont",
    type=FOLDER,
    show_default=True,
    default="/usr/share/sounds/sf2/FluidR3_GM.sf2",
    help="What --midi is played with.",
)
@click.option(
    "--takes",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Versions of everything that is sung and rendered.",
)
@click.option(
    "--midi-takes",
    type=click.IntRange(1),
    help="Versions of what is rendered: as "
    "written, by electric instruments, by acoustic ones, …  [default: --takes]",
)
@click.option(
    "--midi-songs",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Songs to make of each file of --midi, sung by people of --singing-synthesis; from the "
    "third on with acoustic instruments.",
)
@click.option(
    "--codec-augmentation",
    "lossy",
    cls=RenamedOption,
    old_name="--lossy",
    multiple=True,
    metavar="PATTERN",
    help="Tracks of these names, if trained on, once more as a lossy codec leaves them.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave these files out.")
@click.option(
    "--sources", type=FOLDER, multiple=True, help="Table of file, repo and licence (TSV)."
)
@click.option("--out", type=FOLDER, required=True, help="Where the prepared folder goes.")
@click.option(
    "--format", "suffix", type=click.Choice(["wav", "flac"]), default="wav", show_default=True
)
@click.option("--seed", default=0, show_default=True, help="Of the split by track.")
@click.option(
    "--valid-share",
    default=0.1,
    show_default=True,
    type=Finite(0, 0.9),
    help="Share of tracks held out, of those without an official split.",
)
@click.option(
    "--valid",
    multiple=True,
    metavar="PATTERN",
    help="Hold out exactly the tracks of these names instead.",
)
def prepare(
    out: Path,
    suffix: str,
    sources: tuple[Path, ...],
    seed: int,
    valid_share: float,
    valid: tuple[str, ...],
    lossy: tuple[str, ...],
    **folders: Any,
) -> None:
    """Extract mixture, accompaniment and every stem by its name to 44.1 kHz, 16 bit.

    Run again after an interruption: finished tracks are skipped.
    """
    from export.data.collection import Collection
    from export.data.manifest import write_manifest
    from export.data.split import assign_splits

    collection = Collection(**folders, seed=seed)
    if collection.midi_songs and not (collection.midi and collection.sing):
        raise click.UsageError("--midi-songs takes --midi and --singing-synthesis")
    found = collection.find()
    if not found:
        raise click.UsageError("name at least one of --musdb, --songs, --excerpts, --voices, …")
    tracks = _extract(found, out, suffix, sources)
    tracks = assign_splits(tracks, seed=seed, valid_share=valid_share, valid_patterns=valid)
    tracks += _transcode(tracks, lossy, out)
    write_manifest(out, tracks)
    minutes = sum(t.seconds for t in tracks) / 60
    held_out = sum(t.split == "valid" for t in tracks)
    click.echo(f"{len(tracks)} tracks, {minutes:.1f} minutes, {held_out} held out, in {out}")


def _extract(
    found: list[SourceTrack], out: Path, suffix: str, tables: tuple[Path, ...]
) -> list[Track]:
    """Extract tracks with a progress bar, with the licences of some tables."""
    from export.cli.progress_bar import make_progress
    from export.data.prepare import prepare_tracks
    from export.data.sources import read_licences

    licences = {file: of for table in tables for file, of in read_licences(table).items()}
    with make_progress() as progress:
        row = progress.add_task("extracting", total=len(found))
        return prepare_tracks(
            found,
            out,
            suffix=f".{suffix}",
            licences=licences,
            done=lambda source, skipped: progress.advance(row),
        )


def _transcode(tracks: list[Track], patterns: tuple[str, ...], out: Path) -> list[Track]:
    """Return the tracks to train on whose names match once more, as a codec leaves them."""
    from export.augment.codec_augmentation import add_transcoded
    from export.cli.progress_bar import make_progress
    from export.data.split import matching

    again = [t for t in matching(tracks, patterns, "--codec-augmentation") if t.split == "train"]
    if not again:
        return []
    with make_progress() as progress:
        return [add_transcoded(track, out) for track in progress.track(again, description="coding")]
