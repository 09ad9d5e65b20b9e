"""Stage 3: ONNX -> a TensorRT plan for each compute capability. `build` and `probe` run in workers."""
