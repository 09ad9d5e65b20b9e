#!/usr/bin/env bash
# Four real models, one from each family, to a Triton model repository with TensorRT-RTX plans
# for compute capabilities 8.0, 8.6, 8.9 and 12.0. Needs no GPU.
#
# usage: demo.sh BUILD_DIR     (`make demo` calls it inside the project's virtual environment)
set -euo pipefail
recipes=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
models=demo-models repo=demo-repo
export TF_CPP_MIN_LOG_LEVEL=3

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

for recipe in mobilenet_v2_savedmodel mobilenet_v1_graphdef light_resnet50_onnx; do
    run python "$recipes/$recipe/source.py" "$models/$recipe" 2> >(grep -v -i warning >&2)
done
cp "$recipes/resnet_torch/source.py" "$models/resnet.py"

convert() { run trtbuild convert "$@" --repo "$repo" --replace --target 8.0,8.6,8.9,12.0; }
convert "$models/mobilenet_v2_savedmodel/mobilenet_v2"
convert "$models/mobilenet_v1_graphdef/mobilenet_v1.pb"
convert "$models/resnet.py:factory" --name resnet18 --precision fp16
convert "$models/light_resnet50_onnx/light_resnet50.onnx"

for config in "$repo"/*/config.pbtxt; do run cat "$config"; done
run trtbuild repo show "$repo"
run trtbuild repo validate --server trtbuild "$repo"
run python "$recipes/ask.py" "$repo"
