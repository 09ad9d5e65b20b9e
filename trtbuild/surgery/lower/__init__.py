"""Ops that TensorRT refuses or gets wrong, one kind a file, in ops that it does right."""
