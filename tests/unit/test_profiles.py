"""The configuration file: written from live's options, read back, and its mistakes named."""

import re
import tomllib

import click
import pytest

from streamsep.cli.live import command as live
from streamsep.cli.profiles import configurable, read_profile, template
from streamsep.errors import ConfigError
from streamsep.live.config import LiveConfig


@pytest.fixture
def write(config_home):
    """Write the configuration file and return its path."""

    def written(text: str):
        path = config_home / "streamsep" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    return written


def options_of(command: click.Command) -> set[str]:
    """Long options as --help lists them, but those about help and profiles themselves."""
    shown = command.get_help(click.Context(command))
    return set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", shown, re.MULTILINE)) - {"help", "profile"}


class TestTemplate:
    def test_every_option_is_in_it_with_its_help(self):
        text = template(live)
        assert set(re.findall(r"^# ([a-z-]+) = ", text, re.MULTILINE)) == options_of(live)
        said = " ".join(text.replace("#", " ").split())
        for option in configurable(live).values():
            assert " ".join(option.help.split()) in said

    def test_as_written_it_changes_nothing(self, write):
        path = write(template(live))
        assert set(tomllib.loads(path.read_text())["profiles"]) == {"default", "party"}
        assert read_profile(path, None, live) == read_profile(path, "party", live) == {}

    def test_with_every_comment_mark_removed_the_values_are_the_defaults(self, write):
        path = write(re.sub(r"^# (?=[a-z-]+ = )", "", template(live), flags=re.MULTILINE))
        values = read_profile(path, None, live)
        options = {option.name: option for option in configurable(live).values()}
        assert values.keys() == options.keys()
        defaults = {k: o.default for k, o in options.items() if isinstance(o.default, str | int)}
        assert {"output", "block", "device"} <= defaults.keys()
        assert {k: values[k] for k in defaults} == defaults


class TestCommands:
    def test_init_then_path_then_no_second_init(self, command, config_home):
        path = config_home / "streamsep" / "config.toml"
        assert command("config", "path").stdout == f"{path}\n"
        assert command("config", "init").stdout == (
            f"{path} written; every option in it is still a comment\n"
        )
        assert path.read_text() == template(live)
        again = command("config", "init")
        assert (again.code, again.stdout) == (9, "")
        assert again.stderr == (
            f"streamsep: {path} is there already; expected no file; "
            "edit it, or move it away first\n"
        )

    def test_a_folder_that_can_t_be_made(self, command, config_home):
        config_home.write_text("a file in its place")
        assert command("config", "init").code == 4


SHOW = click.Command(
    "show",
    callback=lambda **values: click.echo(values),
    params=[param for param in live.params if param.name in ("block", "slack", "seconds")],
)


class TestPrecedence:
    """Through click itself, with some of live's own options."""

    @pytest.fixture
    def shown(self, write):
        path = write(
            "[profiles.default]\nblock = 256\nslack = 2048\n"
            "[profiles.party]\nslack = 512\nseconds = 3\n"
        )

        def show(name, *arguments):
            values = {}
            SHOW.callback = lambda **given: values.update(given)
            SHOW.main(
                list(arguments), standalone_mode=False, default_map=read_profile(path, name, live)
            )
            return values["block"], values["slack"], values["seconds"]

        return show

    def test_the_default_profile_is_over_the_defaults(self, shown):
        assert shown(None) == (256, 2048, None)

    def test_a_profile_is_over_the_default_one(self, shown):
        assert shown("party") == (256, 512, 3.0)

    def test_the_command_line_is_over_both(self, shown):
        assert shown("party", "--block", "64", "--slack", "0") == (64, 0, 3.0)


def refused(path, name=None) -> str:
    with pytest.raises(ConfigError) as raised:
        read_profile(path, name, live)
    return str(raised.value).replace(str(path), "FILE")


# What a profile could hold before a model was chosen by itself.
OLD = """
[profiles.party]
input = "song.wav"
output = "null"
record = "take.wav"
record-stems = "beat,mix"
stem = "beat"
guide = 10
key = 1
mic = "voice.wav"
voice-effects = "hall"
effect = ["Gain:gain_db=1"]
mic-effect = ["Gain"]
mic-gain = -3
beat-gain = -1.5
master-gain = 0
model = "fast,live"
device = "cpu"
block = 256
slack = 2048
seconds = 3
lyrics = "song.lrc"
plain = true
json = false
"""


def test_profiles_of_before_mean_what_they_meant(write):
    write(OLD)
    context = live.make_context("live", ["--profile", "party"])
    settings = {name: context.params[name] for name in context.params if name != "models"}
    shown = (settings.pop("plain"), settings.pop("as_json"))
    assert settings.pop("control") is None
    config = LiveConfig(model=context.params["models"], **settings)
    assert shown == (True, False)
    assert [model.stem for model in config.named_models] == ["fast", "live"]
    assert (config.input, config.output, config.mic) == ("song.wav", "null", "voice.wav")
    assert config.record_stems == ("beat", "mix")
    assert (config.effect, config.mic_effect) == (("Gain:gain_db=1",), ("Gain",))
    assert (config.guide, config.key, config.beat_gain) == (10.0, 1, -1.5)
    assert (config.block, config.slack, config.seconds) == (256, 2048, 3.0)
    assert (str(config.record), str(config.lyrics)) == ("take.wav", "song.lrc")


def test_the_command_has_the_library_s_defaults():
    """One source: what isn't given on the command line is what a LiveConfig has."""
    context = live.make_context("live", [])
    config = LiveConfig()
    others = ("models", "plain", "as_json", "control")
    given = {name: value for name, value in context.params.items() if name not in others}
    for name in given:
        assert getattr(LiveConfig(**given), name) == getattr(config, name), name
    assert context.params["models"] == config.named_models


class TestMistakes:
    def test_no_file_matters_only_to_who_asks_for_a_profile(self, tmp_path):
        path = tmp_path / "none.toml"
        assert read_profile(path, None, live) == {}
        assert refused(path, "party") == (
            "no configuration file at FILE; expected one with profiles; "
            "write one with: streamsep config init"
        )

    def test_an_unknown_profile_lists_the_known_ones(self, write):
        path = write("[profiles.party]\n[profiles.quiet]\n")
        assert refused(path, "parti") == (
            "FILE has no profile 'parti'; expected 'party' or 'quiet'; "
            "add a table [profiles.parti], or choose another with --profile"
        )

    def test_an_unknown_key_names_the_nearest(self, write):
        assert refused(write("[profiles.default]\noutptu = 'speakers'")) == (
            "FILE, [profiles.default]: nothing is called 'outptu'; expected an option of live; "
            "the nearest is 'output'"
        )

    def test_an_unknown_table_too(self, write):
        assert refused(write("[profile.party]\nblock = 3")) == (
            "FILE: nothing is called 'profile'; expected tables like [profiles.party]; "
            "the nearest is 'profiles'"
        )

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ('block = "512"', 'block is "512"; expected a whole number, without quotes'),
            ("block = true", "block is true; expected a whole number, without quotes"),
            ("block = 1.5", "block is 1.5; expected a whole number, without quotes"),
            ("block = 8", "block is 8; expected another value (8 is not in the range 32<="),
            ('seconds = "3"', 'seconds is "3"; expected a number, without quotes'),
            ("record = 3", "record is 3; expected text in quotes"),
            (
                'voice-effects = "cave"',
                """voice-effects is "cave"; expected another value ('cave'""",
            ),
            ("record = [1979-05-27]", "record is "),
        ],
    )
    def test_a_wrong_value_says_where(self, write, line, complaint):
        message = refused(write(f"[profiles.party]\n{line}\n"), "party")
        assert message.startswith(f"FILE, [profiles.party], {complaint}"), message
        assert message.endswith("; correct it or remove the line")

    def test_a_device_may_be_a_number(self, write):
        assert read_profile(write("[profiles.default]\ninput = 3"), None, live) == {"input": ["3"]}

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("profiles = 3", "FILE has 3 at profiles; expected a table"),
            ("[profiles]\nblock = 3", "FILE has 3 at profiles.block; expected a table"),
            ("[profiles.x]\nblock 3", "FILE can't be read as a configuration (Expected '='"),
        ],
    )
    def test_a_file_of_another_shape(self, write, content, complaint):
        assert refused(write(content)).startswith(complaint)

    def test_a_file_that_is_no_text(self, write):
        path = write("")
        path.write_bytes(b"\xff\xfe\x00")
        assert "can't be read as a configuration ('utf-8' codec" in refused(path)

    def test_through_the_command_line_it_is_one_line(self, command, write):
        path = write("[profiles.party]\nblock = 0\n")
        done = command("live", "--profile", "party", "--input", "no.wav", "--output", "null")
        assert (done.code, done.stdout) == (9, "")
        assert done.stderr.startswith(f"streamsep: {path}, [profiles.party], block is 0; expected")
        assert len(done.stderr.splitlines()) == 1
