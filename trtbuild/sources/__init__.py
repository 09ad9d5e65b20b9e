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
