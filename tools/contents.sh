#!/bin/sh
# Usage: contents.sh PYTHON ENVIRONMENT DIR — writes what is installed in a virtual environment into
# DIR: sbom.cdx.json (CycloneDX, with licences) and licences.md, a table. By PYTHON's cyclonedx-bom
# and pip-licenses.
set -eu
python=$1
environment=$2
dir=$3

"$python" -m cyclonedx_py environment --output-reproducible --output-format JSON \
    --output-file "$dir/sbom.cdx.json" "$environment/bin/python"
"$python" -m piplicenses --python "$environment/bin/python" --from=mixed --with-urls \
    --format=markdown --order=license --output-file "$dir/licences.md" >/dev/null
