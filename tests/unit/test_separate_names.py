"""``streamsep separate``: which files are separated, and what their stems are called."""

import pytest
import soundfile as sf

from streamsep.audio.files.sound_writer import FORMATS
from streamsep.offline.made_from import RECORDS
from testing.signals import music
from tests.support.cases import one_fast


def make(path):
    kind, subtype = FORMATS[path.suffix]
    sf.write(path, music(1.1).T, 44_100, format=kind, subtype=subtype)
    return path


@pytest.fixture
def music_folder(tmp_path):
    folder = tmp_path / "music"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("one.wav", "sub/two.flac", "sub/deep/three.mp3", ".hidden/four.wav"):
        make(folder / name)
    (folder / "cover.jpg").write_bytes(b"no sound, and not asked to be")
    return folder


def names(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != RECORDS)
    return sorted(str(p.relative_to(folder)) for p in files)


def test_a_folder_is_searched_and_keeps_its_shape(command, music_folder, half_model):
    out = music_folder.parent / "out"
    done = command("separate", music_folder, "-o", out, "--model", half_model)
    assert done.code == 0, done.stderr
    hidden, counts = done.stderr.splitlines()
    assert hidden == f"left out, as hidden: {music_folder}/.hidden"
    assert counts == "3 files: 3 separated"
    assert names(out) == sorted(
        f"{name}.{stem}.wav"
        for name in ("one", "sub/two", "sub/deep/three")
        for stem in ("beat", "vocals")
    )


def test_globs_are_taken_as_they_are_on_any_system(command, music_folder, half_model):
    pattern = music_folder / "**" / "t*.*"
    out = music_folder.parent / "out"
    assert command("separate", pattern, "-o", out, "--model", half_model).code == 0
    assert {name.split(".")[0] for name in names(out)} == {"two", "three"}
    done = command("separate", music_folder / "x*.wav", "--model", half_model)
    assert done.code == 3
    assert f"no sound file at {music_folder}/x*.wav" in done.stderr


def test_a_template_says_where_and_in_which_format(command, music_folder, half_model):
    out = music_folder.parent / "out"
    done = command(
        "separate",
        music_folder,
        "-o",
        f"{out}/{{folder}}/{{ext}}/{{name}} ({{stem}}).flac",
        "--stems",
        "beat",
        "--model",
        half_model,
    )
    assert done.code == 0, done.stderr
    assert names(out) == [
        "sub/deep/mp3/three (beat).flac",
        "sub/flac/two (beat).flac",
        "wav/one (beat).flac",
    ]
    assert sf.info(out / "wav" / "one (beat).flac").format == "FLAC"


def test_a_file_name_is_enough_for_one_stem_of_one_file(command, tmp_path, half_model):
    song = make(tmp_path / "song.wav")
    done = command(
        "separate", song, "-o", tmp_path / "beat.ogg", "--stems", "beat", "--model", half_model
    )
    assert (done.code, done.stdout) == (0, f"{tmp_path}/beat.ogg\n"), done.stderr


def test_stems_of_a_song_in_the_same_folder_are_no_songs(command, music_folder, half_model):
    assert command("separate", music_folder, "--model", half_model).code == 0
    before = names(music_folder)
    done = command(
        "separate", music_folder, "--overwrite", "--format", "flac", "--model", half_model
    )
    assert done.code == 0
    assert done.stderr.endswith("\n3 files: 3 separated, 6 left out, as stems of others\n")
    added = sorted({*names(music_folder)} - {*before})
    assert added == sorted(
        name.replace(".wav", ".flac") for name in before if ".beat." in name or ".vocals." in name
    )


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    one_fast(
        [
            (
                ["-o", "{title}.wav"],
                2,
                "has a field {title}; expected fields among {folder}, {name}",
            ),
            (["-o", "{name"], 2, "is no output template"),
            (["-o", "{name!z}.wav"], 2, "is no output template: Unknown conversion specifier z"),
            (["-o", "{name:d}.wav"], 2, "is no output template: Unknown format code 'd'"),
            (["-o", 300 * "a" + ".wav"], 4, "would be both the vocals of"),
            (["--stems", "beat,"], 2, "'beat,' has a name of nothing in it"),
            (["--stems", ""], 2, "'' has a name of nothing in it"),
            (["--bits", "24", "--format", "ogg"], 4, "expected 16, 24, 32 in .wav or 16, 24 in"),
            (
                ["-o", "{name}.wav", "--format", "flac"],
                2,
                "-o or --format: the output ends in .wav, and the format",
            ),
            (["-o", "{stem}.xyz"], 4, "no sound format has the suffix '.xyz'"),
            (["-o", "same.wav"], 4, "same.wav would be both the vocals of one.wav and the beat of"),
            (["--bits", "32", "--format", "flac"], 4, ".flac files don't hold samples of 32 bits"),
            (["--stems", "drums"], 6, "this model gives vocals, beat and no drums"),
        ]
    ),
)
def test_what_can_t_be_is_refused_before_any_work(
    command, monkeypatch, music_folder, half_model, arguments, code, line
):
    monkeypatch.chdir(music_folder)
    before = names(music_folder)
    done = command("separate", ".", *arguments, "--model", half_model)
    assert done.code == code
    assert line in done.stderr
    assert names(music_folder) == before


def test_a_name_too_long_for_a_stem_stops_only_its_song(command, tmp_path, half_model):
    long = make(tmp_path / f"{250 * 'a'}.wav")
    song = make(tmp_path / "song.wav")
    done = command("separate", long, song, "--model", half_model)
    assert done.code == 4
    assert "2 files: 1 separated, 1 failed" in done.stderr
    assert (tmp_path / "song.beat.wav").exists()


def test_fields_may_be_padded(command, music_folder, half_model):
    out = f"{music_folder.parent}/out/{{folder:_<4}}{{name:_>6}}.{{stem}}.wav"
    done = command("separate", music_folder, "-o", out, "--stems=beat", "--model", half_model)
    assert done.code == 0, done.stderr
    assert names(music_folder.parent / "out") == [
        ".______one.beat.wav",
        "sub/deep_three.beat.wav",
        "sub____two.beat.wav",
    ]


def test_a_song_is_never_overwritten_by_its_stem(command, tmp_path, half_model):
    song = make(tmp_path / "song.wav")
    content = song.read_bytes()
    target = f"{tmp_path}/{{name}}.wav"
    done = command("separate", song, "--stems", "beat", "-o", target, "--model", half_model)
    assert done.code == 4
    assert "would be both a file to separate and the beat of" in done.stderr
    assert song.read_bytes() == content


def test_an_empty_folder_is_said(command, tmp_path, half_model):
    (tmp_path / "empty").mkdir()
    done = command("separate", tmp_path / "empty", "--model", half_model)
    assert done.code == 3
    assert f"the folder {tmp_path}/empty holds no sound files" in done.stderr
