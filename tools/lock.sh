#!/bin/sh
# Usage: lock.sh — writes requirements/: every release that `make demo` and `make test` install, with
# the hashes of its files, for every platform and Python of ours. Needs uv (pip install uv).
# torch isn't among them, nor what its builds for GPUs bring: which is right is the machine's affair.
set -eu
cd "$(dirname "$0")/.."

builds="torch triton cuda-bindings cuda-pathfinder cuda-toolkit \
    $(printf 'nvidia-%s ' cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand \
    cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)"
left_out=$(for name in $builds; do printf -- '--no-emit-package %s ' "$name"; done)

for extra in demo dev; do
    # shellcheck disable=SC2086  # options with their names
    # What builds our own package is installed before it, so that nothing unlocked is fetched then.
    printf 'hatchling\neditables\n' |
        uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
            --no-header --no-annotate --extra "$extra" \
            $left_out pyproject.toml - --output-file "requirements/$extra.txt" "$@"
done
