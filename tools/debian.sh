#!/bin/sh
# Usage: debian.sh required|optional PACKAGE…
# Installs what is missing of these Debian packages when root, else says what to install.
set -eu
need=$1
shift

missing=""
for package in "$@"; do
    if command -v dpkg-query >/dev/null 2>&1; then
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    else
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # shellcheck disable=SC2086  # a list of packages
    if { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
fi

if command -v apt-get >/dev/null 2>&1; then
    echo "please install:  sudo apt-get install$missing" >&2
else
    echo "please install what your system calls these Debian packages:$missing" >&2
fi
[ "$need" = optional ]
