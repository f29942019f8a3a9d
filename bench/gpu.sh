#!/usr/bin/env bash
# All that needs a GPU, in one call of under nine minutes: builds from the working tree, runs the tests
# marked `gpu`, compute-sanitizer's memcheck and racecheck, and the benchmark. Leaves $OUT/gpu.json,
# $OUT/gpu.md and logs.
#
#   bench/gpu.sh --prepare    beforehand, with a network: the build requirements into .gpu/ (git-ignored)
#   bench/gpu.sh              on a machine with a GPU, nvcc, CMake, Python ≥ 3.11, NumPy, pytest and hypothesis,
#                             without a network; PyTorch and JAX where they are there
#   bench/gpu.sh --dry-run    without a GPU: all but the device parts
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-build/gpu}
PYTHON=${PYTHON:-python3}
build=.gpu/build

if [ "${1:-}" = --prepare ]; then
  rm -rf "$build"
  # shellcheck disable=SC2046
  "$PYTHON" -m pip install -q --target "$build" $("$PYTHON" tools/requirements.py build)
  echo "the build requirements are in $build"
  exit
fi
dry=no
[ "${1:-}" = --dry-run ] && dry=yes
mkdir -p "$OUT"

[ -d "$build" ] || { echo "no $build: run bench/gpu.sh --prepare first, with a network" >&2; exit 1; }
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step build
architectures=${ARCHITECTURES:-90}
[ $dry = yes ] || architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
target=$PWD/$OUT/site
rm -rf "$target"
PYTHONPATH=$PWD/$build "$PYTHON" -m pip install -q --no-index --no-build-isolation --no-deps --target "$target" \
  -C build-dir="$OUT/build" -C cmake.define.FASTFA_CUDA=ON -C cmake.define.CMAKE_CUDA_ARCHITECTURES="$architectures" \
  -C cmake.define.FASTFA_EMULATED=ON -C cmake.define.FASTFA_EIGEN_DIR="$PWD/$build/cmeel.prefix/include/eigen3" .
export PYTHONPATH=$target

step tests
failed=0
if [ $dry = yes ]; then
  "$PYTHON" -m pytest -q -p no:cacheprovider tests/devices/test_gpu.py -rs | tee "$OUT/tests.log" || failed=1
else
  "$PYTHON" -m pytest -q -p no:cacheprovider tests/devices/test_gpu.py | tee "$OUT/tests.log" || failed=1
  if grep -q skipped "$OUT/tests.log"; then echo "the tests found no GPU" >&2; failed=1; fi
fi

step compute-sanitizer
sanitizer=$(command -v compute-sanitizer || true)
if [ $dry = no ] && [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck; do
    timeout 100 "$sanitizer" --tool $tool --error-exitcode 9 "$PYTHON" bench/on_gpu/check.py \
      > "$OUT/$tool.log" 2>&1 || { failed=1; tail -20 "$OUT/$tool.log"; }
  done
elif [ $dry = yes ]; then
  "$PYTHON" bench/on_gpu/check.py cuda-emulated  # what it would look at
else
  echo "not run: compute-sanitizer is not there"
fi

step benchmark
"$PYTHON" bench/gpu.py --out "$OUT" $([ $dry = yes ] && echo --device cuda-emulated)
step "done, $failed part(s) failed"
exit $failed
