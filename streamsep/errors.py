"""Every error a user can meet: what was wrong, what was expected, what to do, and an exit code.

Errors that are bugs (a wrong shape passed between our own layers) stay ``ValueError``; the
classes here are for what the outside world does to us, callers of the public API included.
"""

from __future__ import annotations

EXIT_USAGE = 2  # what click itself uses
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention
EXIT_TERMINATED = 143  # 128 + SIGTERM


class StreamsepError(Exception):
    """Base of all errors that end in one clear line instead of a traceback.

    Parameters
    ----------
    what
        What was wrong, with the offending value.
    expected
        What would have been right.
    remedy
        What the user can do now.
    settings
        Names of the settings that the remedy speaks of; a command line adds its options.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, expected: str, remedy: str, settings: tuple[str, ...] = ()
    ) -> None:
        self.what, self.expected, self.remedy, self.settings = what, expected, remedy, settings
        super().__init__(printable(f"{what}; expected {expected}; {remedy}"))

    def __reduce__(self) -> tuple[object, ...]:
        """Have an error that another process raises come back whole."""
        return _unpickled, (type(self), self.what, self.expected, self.remedy, self.settings)


def _unpickled(
    kind: type[StreamsepError], what: str, expected: str, remedy: str, settings: tuple[str, ...]
) -> StreamsepError:
    return kind(what, expected=expected, remedy=remedy, settings=settings)


def printable(text: str) -> str:
    """Return text that any terminal and log shows as one line.

    File names may hold bytes that are no text, line ends and what steers a terminal: each such
    character becomes the replacement character.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def first_line(error: BaseException) -> str:
    """Return what a foreign error says, as part of one line of ours."""
    line = (str(error).splitlines() or [""])[0] or type(error).__name__
    return printable(line[:200])


class UnexpectedError(StreamsepError):
    """An error that nobody thought of, of one file or thing; the cause is chained."""


def as_streamsep_error(error: Exception, where: str) -> StreamsepError:
    """Return an error as one of ours: what it says, in one line, and where it happened."""
    if isinstance(error, StreamsepError):
        return error
    ours = UnexpectedError(
        f"{where}: {type(error).__name__}: {first_line(error)}",
        expected="no such error",
        remedy="set STREAMSEP_TRACEBACK=1 to see where it comes from, and report it",
    )
    ours.__cause__ = error
    return ours


class ArgumentError(StreamsepError, ValueError):
    """A value that a public function can't use: an array's shape or dtype, a rate, a template."""

    exit_code = EXIT_USAGE


class AudioFileError(StreamsepError):
    """An audio file that can't be read: missing, not audio, empty, or of no use."""

    exit_code = 3


class LossError(StreamsepError):
    """All was done, but sound of the input is missing from it; lines before this say what."""

    exit_code = 12


class OutputError(StreamsepError):
    """A file or folder that can't be written: no permission, no space, unknown suffix."""

    exit_code = 4


class DeviceError(StreamsepError):
    """An audio device, or PortAudio itself, that is missing, busy, refused or gone."""

    exit_code = 5


class ModelError(StreamsepError):
    """A model file that is missing, isn't ONNX, or doesn't keep its contract."""

    exit_code = 6


class BackendError(StreamsepError):
    """An execution provider that was asked for and can't be had, or that failed while running."""

    exit_code = 7


class SessionError(StreamsepError):
    """A live session that broke while running; the cause is chained."""

    exit_code = 8


class ConfigError(StreamsepError):
    """A configuration file that can't be read, or that says what no option knows."""

    exit_code = 9


class LyricsError(StreamsepError):
    """Lyrics that can't be read, or have no times."""

    exit_code = 10


class EffectError(StreamsepError):
    """An effect or plugin that can't be loaded, or whose parameter can't be set."""

    exit_code = 11
