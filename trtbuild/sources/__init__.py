"""Stage 1: a framework's model becomes ONNX, and can be run for reference.

A source is a class of one file and one line here. It is made with `(ref, options)`, which loads
the model, and has `export(path) -> notes` and `run(inputs) -> outputs`: `session.Source`.
"""

from __future__ import annotations

SOURCES: dict[str, str] = {
    "onnx": "trtbuild.sources.onnx_file:OnnxFile",
    "savedmodel": "trtbuild.sources.savedmodel:SavedModel",
    "graphdef": "trtbuild.sources.graphdef:GraphDef",
    "keras": "trtbuild.sources.keras_file:KerasFile",
    "torch": "trtbuild.sources.torch_module:TorchModule",
    "torchscript": "trtbuild.sources.torchscript:TorchScript",
    "exported": "trtbuild.sources.exported:Exported",
}

# No source: a function that defines a TensorRT network is never exported (`trtbuild.plan.define`).
NETWORK = "network"

# What a source's export depends on besides the model: distributions whose versions make a
# cached export another one. Those that are not installed do not count.
_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx")
_TORCH = ("torch", "onnxscript", "onnx")
PACKAGES: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx",),
    "savedmodel": _TENSORFLOW,
    "graphdef": _TENSORFLOW,
    "keras": _TENSORFLOW,
    "torch": _TORCH,
    "torchscript": _TORCH,
    "exported": _TORCH,
}
