"""Profiles: options of ``streamsep live`` kept in a TOML file under names of their own.

The command line wins over the chosen profile, that over the profile ``default``, and that over
the options' own defaults.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from streamsep.app_folder import app_folder
from streamsep.errors import ConfigError

DEFAULT = "default"
HEAD = """\
# What `streamsep live` starts from. Every option is here with its default, or an example where
# it has none, as a comment: remove the "# " before a line to set it. What the command line says
# wins over this file.
#
# [profiles.default] always holds. Others come on top of it when asked for, as with
# `streamsep live --profile party`: copy lines there, or to a table of another name.

[profiles.default]
"""
TAIL = "[profiles.party]\n"


def config_path() -> Path:
    """Return where the configuration file is, there or not."""
    return app_folder() / "config.toml"


def _apply_profile(context: click.Context, option: click.Parameter, name: str | None) -> None:
    if not context.resilient_parsing:  # as when a shell completes words
        context.default_map = read_profile(config_path(), name, context.command)


profile_option = click.option(
    "--profile",
    metavar="NAME",
    is_eager=True,  # its values are the other options' defaults
    expose_value=False,
    callback=_apply_profile,
    help="Start from a profile of the configuration file; see streamsep config.",
)


def configurable(command: click.Command) -> dict[str, click.Option]:
    """Return the options that a profile may hold, by their names in it."""
    return {
        max(option.opts, key=len).lstrip("-"): option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
    }


def read_profile(path: Path, name: str | None, command: click.Command) -> dict[str, Any]:
    """Return the values of a profile on top of the default one, by click's parameter names.

    Parameters
    ----------
    path
        The configuration file; it may be missing when no profile is asked for.
    name
        The profile, or None for the default one alone.
    command
        Whose options they are.

    Raises
    ------
    ConfigError
        If the file is no TOML, has no such profile, or a value is for no option or of no use.
    """
    profiles = _read_profiles(path, asked=name is not None)
    if name is not None and name not in profiles:
        raise ConfigError(
            f"{path} has no profile {name!r}",
            expected=" or ".join(repr(known) for known in profiles) or "at least one profile",
            remedy=f"add a table [profiles.{name}], or choose another with --profile",
        )
    values: dict[str, Any] = {}
    for profile in (DEFAULT, name or DEFAULT):
        for key, value in profiles.get(profile, {}).items():
            where = f"{path}, [profiles.{profile}]"
            option = _option(command, key, where)
            values[option.name or key] = _checked(option, value, f"{where}, {key}")
    return values


def _read_profiles(path: Path, *, asked: bool) -> dict[str, dict[str, Any]]:
    if not os.path.exists(path):
        if not asked:
            return {}
        raise ConfigError(
            f"no configuration file at {path}",
            expected="one with profiles",
            remedy="write one with: streamsep config init",
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOML's and UTF-8's errors are ValueErrors
        raise ConfigError(
            f"{path} can't be read as a configuration ({error})",
            expected="TOML in UTF-8",
            remedy="correct it, or remove it and run: streamsep config init",
        ) from error
    for key in content.keys() - {"profiles"}:
        raise _unknown(key, ["profiles"], f"{path}", "tables like [profiles.party]")
    profiles = content.get("profiles", {})
    tables = profiles.items() if isinstance(profiles, dict) else [("", profiles)]
    for name, table in tables:
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path} has {table!r} at profiles{name and '.'}{name}",
                expected="a table, begun by a line like [profiles.party]",
                remedy="put options below such a line",
            )
    return dict(tables)


def _option(command: click.Command, key: str, where: str) -> click.Option:
    options = configurable(command)
    if key not in options:
        raise _unknown(key, options, where, "an option of live")
    return options[key]


def _unknown(key: str, known: Iterable[str], where: str, expected: str) -> ConfigError:
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
    return ConfigError(
        f"{where}: nothing is called {key!r}",
        expected=expected,
        remedy=f"the nearest is {nearest!r}",
    )


def _checked(option: click.Option, value: Any, where: str) -> Any:
    """Return the value as click will take it, or say why it can't."""
    if option.multiple:  # one of them needs no brackets
        items = value if isinstance(value, list) else [value]
        return [_checked_one(option, item, where) for item in items]
    return _checked_one(option, value, where)


def _checked_one(option: click.Option, value: Any, where: str) -> Any:
    kind = option.type
    if isinstance(kind, click.types.BoolParamType):
        if not isinstance(value, bool):
            raise _wrong(where, value, "true or false")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, click.types.IntParamType):
        if not number or isinstance(value, float):
            raise _wrong(where, value, "a whole number, without quotes")
    elif isinstance(kind, click.types.FloatParamType):
        if not number:
            raise _wrong(where, value, "a number, without quotes")
    elif isinstance(kind, click.types.StringParamType) and number:
        value = str(value)  # devices have numbers
    elif not isinstance(value, str):
        raise _wrong(where, value, "text in quotes")
    try:
        kind.convert(value, option, None)
    except click.BadParameter as error:
        raise _wrong(where, value, f"another value ({error.message})") from error
    return value


def _wrong(where: str, value: Any, expected: str) -> ConfigError:
    shown = json.dumps(value, default=str, ensure_ascii=False)
    return ConfigError(
        f"{where} is {shown}", expected=expected, remedy="correct it or remove the line"
    )


def template(command: click.Command) -> str:
    """Return a configuration file with every option of the command as a comment."""
    options = ("\n".join(_documented(key, o)) for key, o in configurable(command).items())
    return "\n".join([HEAD, *options, TAIL])


def _documented(key: str, option: click.Option) -> Iterator[str]:
    for line in wrap(option.help or "", 96):
        yield f"# {line}"
    yield f"# {key} = {_toml(_example(option))}\n"


def _example(option: click.Option) -> Any:
    """Return the default, or something of the right type where there is none."""
    if isinstance(option.default, str | int | float):  # click marks "none" by an object
        return option.default
    if isinstance(option.default, tuple | list) and option.default:
        return list(option.default)
    kind = option.type
    example: Any = option.metavar or option.human_readable_name
    if isinstance(kind, click.types.BoolParamType):
        example = False
    elif isinstance(kind, click.types.FloatParamType | click.types.IntParamType):
        low = getattr(kind, "min", None)
        example = 1 if low is None or low < 1 else low
    elif isinstance(kind, click.Choice):
        example = kind.choices[0]
    return [example] if option.multiple else example


def _toml(value: Any) -> str:
    """Write a value as TOML, whose strings, numbers, booleans and lists are JSON's."""
    return json.dumps(value, ensure_ascii=False)
