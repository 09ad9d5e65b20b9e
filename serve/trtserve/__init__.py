"""The run time of trtbuild: a model repository behind the KServe v2 protocol, HTTP and gRPC."""

import trtbuild as _trtbuild  # noqa: F401  # what it says to ONNX Runtime comes before its import
