#!/bin/sh
# Usage: venv.sh DIR EXTRA — a virtual environment with streamsep, editable, and one extra.
# PYTHON names the interpreter; LOCKED=no takes the newest releases, not those of requirements/.
# DIR/.installed is made last, so that a broken run starts anew.
set -eu
dir=$1
extra=$2
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python is $("$python" --version 2>&1 || echo missing); streamsep needs Python 3.11 or newer:" \
        "install it and run e.g. 'make PYTHON=python3.12 …'" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    sh "$(dirname "$0")/debian.sh" required \
        "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
fi

echo "setting up $dir (streamsep[$extra]); the first time takes a minute or two"
"$python" -m venv "$dir"
pip="$dir/bin/python -m pip install -qq --disable-pip-version-check"
if [ "${LOCKED:-yes}" = no ]; then
    $pip --editable ".[$extra]"
else
    # Each file is what it was when the lock was written, or nothing is installed.
    $pip --require-hashes --no-deps --requirement "requirements/$extra.txt" || {
        echo "what requirements/$extra.txt locks can't be had here; LOCKED=no takes what can" >&2
        exit 1
    }
    # Only what the lock leaves to the machine is still missing: torch, where it is needed.
    $pip --no-build-isolation --editable ".[$extra]"
fi
touch "$dir/.installed"
