"""Triton's Python backend: `model.py` with a `TritonPythonModel`, each instance a process.

The server's side is `backend` over `instance` over `process`; the model's side is `child` over
`model` and the `triton_python_backend_utils` that models import. `channel` over `layout` and
`slab` lies between them. Linux only: the shared memory is a sealed memfd, which has no name.
"""
