"""ONNX models on ONNX Runtime: on the CPU, or on a GPU through its CUDA provider."""
