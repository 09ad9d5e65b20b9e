"""Precision in the graph: TensorRT 11 and TensorRT-RTX compute in the types they are given."""
