"""``python -m export``: the commands' front door."""

from export.cli import main

if __name__ == "__main__":
    main()
