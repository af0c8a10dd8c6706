"""``prepare``: extract songs to the files that training reads."""

from __future__ import annotations

from pathlib import Path

import click

from export.cli.old_names import RenamedOption

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
    type=click.FloatRange(0, 0.9),
    help="Share of tracks held out, of those without an official split.",
)
@click.option(
    "--valid",
    multiple=True,
    metavar="PATTERN",
    help="Hold out exactly the tracks of these names instead.",
)
def prepare(
    musdb: Path | None,
    hq: bool,
    songs: tuple[Path, ...],
    accompaniment: tuple[Path, ...],
    excerpts: tuple[Path, ...],
    voices: tuple[Path, ...],
    speech: tuple[Path, ...],
    sing: tuple[Path, ...],
    midi: tuple[Path, ...],
    soundfont: Path,
    takes: int,
    midi_takes: int | None,
    midi_songs: int,
    lossy: tuple[str, ...],
    exclude: tuple[str, ...],
    sources: tuple[Path, ...],
    out: Path,
    suffix: str,
    seed: int,
    valid_share: float,
    valid: tuple[str, ...],
) -> None:
    """Extract mixture, accompaniment and every stem by its name to 44.1 kHz, 16 bit.

    Run again after an interruption: finished tracks are skipped.
    """
    from export.augment.codec_augmentation import add_transcoded
    from export.cli.progress_bar import make_progress
    from export.data import sources as find
    from export.data.manifest import write_manifest
    from export.data.prepare import prepare_tracks
    from export.data.split import assign_splits, matching

    found: list[find.SourceTrack] = []
    if musdb is not None:
        from export.data.musdb_source import find_musdb

        found += find_musdb(musdb, hq=hq)
    for folder in songs:
        found += find.find_songs(folder, exclude)
    for folder in accompaniment:
        found += find.find_accompaniment(folder, exclude)
    for folder in excerpts:
        found += find.find_excerpts(folder, exclude)
    for kind, folders in (("voice", voices), ("speech", speech)):
        for folder in folders:
            found += find.find_voices(folder, kind, exclude)
    for folder in sing:
        found += find.find_sung(folder, takes, seed, exclude)
    for folder in midi:
        from export.data.midi import find_midi

        found += find_midi(folder, soundfont, midi_takes or takes, seed, exclude)
    if midi_songs:
        from export.data.midi_songs import find_sung_midi

        people = [person for folder in sing for person in find.find_people(folder, exclude)]
        if not people or not midi:
            raise click.UsageError("--midi-songs takes --midi and --singing-synthesis")
        for folder in midi:
            found += find_sung_midi(folder, soundfont, people, midi_songs, seed, exclude)
    if not found:
        raise click.UsageError("name at least one of --musdb, --songs, --excerpts, --voices, …")
    licences = {file: of for table in sources for file, of in find.read_licences(table).items()}
    with make_progress() as progress:
        row = progress.add_task("extracting", total=len(found))
        tracks = prepare_tracks(
            found,
            out,
            suffix=f".{suffix}",
            licences=licences,
            done=lambda source, skipped: progress.advance(row),
        )
        tracks = assign_splits(tracks, seed=seed, valid_share=valid_share, valid_patterns=valid)
        again = [t for t in matching(tracks, lossy, "--codec-augmentation") if t.split == "train"]
        row = progress.add_task("coding", total=len(again), visible=bool(again))
        for track in again:
            tracks.append(add_transcoded(track, out))
            progress.advance(row)
    write_manifest(out, tracks)
    minutes = sum(t.seconds for t in tracks) / 60
    held_out = sum(t.split == "valid" for t in tracks)
    click.echo(f"{len(tracks)} tracks, {minutes:.1f} minutes, {held_out} held out, in {out}")
