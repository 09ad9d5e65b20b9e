"""Stage 3: ONNX -> a TensorRT plan for each compute capability.

The parent process decides (`runtimes`, `targets`, `profiles`, `options`) and drives
(`plans`, `check`); worker processes alone import TensorRT (`build`, `probe` and what they use).
"""
