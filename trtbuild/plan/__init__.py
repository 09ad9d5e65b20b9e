"""Stage 3: ONNX -> a TensorRT plan for each compute capability; `build`, `probe` run in workers."""
