"""Stage 2, ONNX -> ONNX: the graph as TensorRT and Triton want it, in the precision asked for."""
