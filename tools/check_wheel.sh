#!/bin/sh
# Usage: check_wheel.sh PYTHON — builds the sdist and both wheels into dist/ with that Python's
# hatchling, installs the wheels into an empty environment, and tries them there. What was installed
# with them stands in dist/sbom.cdx.json, its licences in dist/licences.md.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
root=$PWD
LARGEST=1000000 # bytes of the program's wheel

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "check_wheel: $1" >&2
    exit 1
}

# The wheel is built from what the sdist holds, as it would be elsewhere.
rm -rf dist
"$python" -m hatchling build -t sdist -d "$root/dist" >/dev/null
tar -xzf dist/streamsep-*.tar.gz -C "$work"
(cd "$work"/streamsep-* && "$python" -m hatchling build -t wheel -d "$root/dist" >/dev/null)
(cd packaging/models && "$python" -m hatchling build -t wheel -d "$root/dist" >/dev/null)
code=$(ls "$root"/dist/streamsep-*.whl)
weights=$(ls "$root"/dist/streamsep_models-*.whl)
size=$(wc -c <"$code")
[ "$size" -lt "$LARGEST" ] || fail "$code has $size bytes; expected fewer than $LARGEST"

"$python" -m venv "$work/venv"
bin=$work/venv/bin
"$bin/python" -m pip install -qq --disable-pip-version-check "$code"
cd "$work" # not where the sources can be imported
export XDG_CONFIG_HOME="$work/config"

"$bin/streamsep" --version
"$bin/python" - <<'EOF'
import math, struct, wave

import streamsep

with wave.open("song.wav", "wb") as song:
    song.setnchannels(2)
    song.setsampwidth(2)
    song.setframerate(44_100)
    tone = (int(8_000 * math.sin(0.06 * i)) for i in range(2 * 44_100))
    song.writeframes(b"".join(struct.pack("<hh", value, -value) for value in tone))
EOF
# Without the models a plugin runs, and a built-in model is one line that names what is missing.
"$bin/streamsep" separate song.wav --model center-cut -o plain >/dev/null
code_of=0
"$bin/streamsep" separate song.wav -o stems >/dev/null 2>error.txt || code_of=$?
[ "$code_of" = 6 ] || fail "without models: exit code $code_of; expected 6"
grep -q streamsep-models error.txt || fail "without models: $(cat error.txt)"

"$bin/python" -m pip install -qq --disable-pip-version-check "$weights"
"$bin/streamsep" separate song.wav -o stems >/dev/null
for stem in beat vocals; do
    [ -s "stems/song.$stem.wav" ] || fail "no song.$stem.wav was made"
done
"$bin/streamsep" models verify >/dev/null
# Where a wheel lay before it was installed is nobody's affair.
rm -f "$work"/venv/lib/python*/site-packages/streamsep*.dist-info/direct_url.json
sh "$root/tools/contents.sh" "$python" "$work/venv" "$root/dist"
echo "check_wheel: $(basename "$code") ($size bytes) and $(basename "$weights")" \
    "($(wc -c <"$weights") bytes) separate a song in an empty environment"
