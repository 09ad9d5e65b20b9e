"""TensorRT plans, of data-centre TensorRT and of TensorRT for RTX, on the GPUs they are for."""
