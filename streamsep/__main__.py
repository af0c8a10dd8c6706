"""``python -m streamsep``."""

from streamsep.cli import main

main()
