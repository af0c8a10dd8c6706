"""MUSDB through the real library; it needs ffmpeg for WAV files too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.cli import main
from export.data.manifest import read_manifest
from export.engine.checkpoint import read_content
from export.errors import DataError
from tests.unit.export.conftest import tone

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="musdb asks for ffmpeg"
)

STEMS = {"vocals": 440, "drums": 110, "bass": 55, "other": 220}
INT16_STEP = 1 / 32_768


def write_song(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, hz in STEMS.items():
        sf.write(folder / f"{name}.wav", tone(hz, 1, 0.1), 44_100)
    sf.write(folder / "mixture.wav", sum(tone(hz, 1, 0.1) for hz in STEMS.values()), 44_100)


@pytest.mark.slow
@needs_ffmpeg
def test_hq_keeps_the_official_split_and_sums(tmp_path: Path) -> None:
    root, out = tmp_path / "musdb18hq", tmp_path / "out"
    write_song(root / "train" / "Anna - A Song")
    write_song(root / "train" / "Actions - One Minute Smile")  # officially for validation
    write_song(root / "test" / "Berta - Another")
    main(["prepare", "--musdb", str(root), "--hq", "--out", str(out)])
    tracks = {t.id: t for t in read_manifest(out)}
    assert {t.id: t.split for t in tracks.values()} == {
        "musdb-Anna_A_Song": "train",
        "musdb-Actions_One_Minute_Smile": "valid",
        "musdb-Berta_Another": "test",
    }
    track = tracks["musdb-Anna_A_Song"]
    files = {name: sf.read(out / path)[0] for name, path in track.files.items()}
    stems = {"vocals", "drums", "bass", "other"}
    assert set(files) == {"mixture", "accompaniment", *stems}
    beat = sum(tone(STEMS[n], 1, 0.1) for n in ("drums", "bass", "other"))
    # Four stems were rounded to 16 bit on the way in and the sum on the way out.
    assert np.abs(files["accompaniment"] - beat).max() <= 4 * INT16_STEP
    assert np.abs(files["vocals"] - tone(440, 1, 0.1)).max() <= 2 * INT16_STEP


@pytest.mark.slow
@needs_ffmpeg
def test_stem_files_take_the_same_path(tmp_path: Path) -> None:
    spec = find_spec("stempeg")
    assert spec is not None
    assert spec.origin is not None
    (song,) = (Path(spec.origin).parent / "data").glob("*.stem.mp4")
    root, out = tmp_path / "musdb18", tmp_path / "out"
    (root / "train").mkdir(parents=True)
    shutil.copy(song, root / "train")
    main(["prepare", "--musdb", str(root), "--out", str(out), "--format", "flac"])
    (track,) = read_manifest(out)
    assert (track.kind, track.split) == ("song", "train")
    assert track.seconds == pytest.approx(6, abs=0.2)
    files = {name: sf.read(out / path)[0] for name, path in track.files.items()}
    assert np.abs(files["vocals"]).max() > 0.05
    total = files["vocals"] + files["accompaniment"]
    assert np.abs(files["mixture"] - total).max() <= 1.5 * INT16_STEP


@needs_ffmpeg
@pytest.mark.parametrize("hq", [True, False])
def test_a_folder_of_the_other_flavour_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hq: bool
) -> None:
    flags = ["--hq"] if hq else []
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "--musdb", str(tmp_path), *flags, "--out", str(tmp_path / "out")])
    assert stop.value.code == DataError.exit_code
    assert "--hq" in capsys.readouterr().err


def test_without_ffmpeg_the_message_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    command = [
        sys.executable,
        "-m",
        "export",
        "prepare",
        "--musdb",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
    ]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert result.returncode == DataError.exit_code
    assert "apt install ffmpeg" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@needs_ffmpeg
def test_the_builtin_recipe_takes_musdb_beside_other_songs(
    make_song: Callable[..., Path], narrow: None, tmp_path: Path
) -> None:
    root, data, run = tmp_path / "musdb18hq", tmp_path / "data", tmp_path / "run"
    write_song(root / "train" / "Anna - A Song")
    write_song(root / "train" / "Actions - One Minute Smile")  # officially for validation
    songs = make_song("own", vocals=880, drums=110)
    main(["prepare", "--songs", str(songs), "--out", str(data)])
    main(
        [
            "train",
            "--recipe",
            "live",
            "--musdb",
            str(root),
            "--hq",
            "--data",
            str(data),
            "--out",
            str(run),
            "--steps",
            "1",
            "--threads",
            "1",
            "--valid-excerpts",
            "8",
        ]
    )
    assert (run / "musdb" / "musdb-Anna_A_Song" / "vocals.wav").is_file()
    # Held out is the official validation song alone, and its voice was heard.
    assert np.isfinite(read_content(run / "last.pt")["history"][0]["usdr_rest"])
