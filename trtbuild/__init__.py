"""trtbuild: a trained model in, a Triton model repository with TensorRT plans out."""

__version__ = "0.1.0"
