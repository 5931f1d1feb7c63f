#!/usr/bin/env bash
# What a layer of the plain Llama of width D = 1024 costs a GPU in a step of training in bfloat16,
# beside the arithmetic of its products and its attention, counted on the emulated GPU:
#   bash tests/gpu-count.sh [--build-dir DIR] [--json]
# bytes that all other kernels read and write, per token, over D; and kernels launched, with the
# optimizer's. Fails where they are more than tests/emulated/step_cost_test.cpp allows. Needs no GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../third_party/build.sh"
parse_build_dir build "$@"
format=text
for option in "${rest[@]}"; do
  case $option in
    --json) format=json ;;
    *) echo "$0: $option is no option: --build-dir DIR and --json are" >&2; exit 2 ;;
  esac
done
bash "$root/third_party/install_packages.sh" build test >&2
configure "$build_dir" --preset release -DLOOKBACK_TESTS=ON
cmake --build "$build_dir" --target lookback_emulated_tests >&2
report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
"$build_dir/bin/lookback_emulated_tests" --gtest_filter=EmulatedStepCost.OfALayerInBfloat16 \
  --gtest_output="json:$report" >&2 || status=$?
python3 - "$report" "$format" <<'PYTHON'
import json, sys
test = json.load(open(sys.argv[1]))["testsuites"][0]["testsuite"][0]
names = ["elementwise_bytes_per_token_and_layer_over_D", "launches_per_layer"]
counts = {name: float(test[name]) for name in names}
if sys.argv[2] == "json":
    print(json.dumps(counts))
else:
    for name, value in counts.items():
        print(f"{name:48}{value:8.1f}")
PYTHON
exit $status
