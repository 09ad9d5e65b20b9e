"""A TensorRT plugin in Python: ScaledSoftsign, y = scale * x / (1 + |x|), element by element.

Its kernel is PTX that the driver compiles, so it needs nothing but TensorRT, NumPy and libcuda.
`tensorrt` is the TensorRT of the process that loads this file, whichever package it came from.
"""

# mypy: ignore-errors
# The bindings have no types, and a plugin is hardly more than what it takes from them.

from __future__ import annotations

import ctypes

import numpy as np
import tensorrt as trt

_NAME, _VERSION, _THREADS = "ScaledSoftsign", "1", 256

_PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry scaled_softsign(.param .u64 x_p, .param .u64 y_p, .param .f32 s_p, .param .u32 n_p)
{
    .reg .pred %p;
    .reg .b32 %i, %n, %t, %b, %d;
    .reg .f32 %x, %a, %s;
    .reg .b64 %px, %py, %off;
    ld.param.u32 %n, [n_p];
    mov.u32 %t, %tid.x;
    mov.u32 %b, %ctaid.x;
    mov.u32 %d, %ntid.x;
    mad.lo.u32 %i, %b, %d, %t;
    setp.ge.u32 %p, %i, %n;
    @%p bra DONE;
    ld.param.u64 %px, [x_p];
    ld.param.u64 %py, [y_p];
    ld.param.f32 %s, [s_p];
    mul.wide.u32 %off, %i, 4;
    add.u64 %px, %px, %off;
    add.u64 %py, %py, %off;
    ld.global.f32 %x, [%px];
    abs.f32 %a, %x;
    add.f32 %a, %a, 0f3F800000;
    mul.f32 %x, %x, %s;
    div.rn.f32 %x, %x, %a;
    st.global.f32 [%py], %x;
DONE:
    ret;
}
\x00"""


def _checked(code: int) -> None:
    if code:
        raise RuntimeError(f"the CUDA driver answers {code}")


class ScaledSoftsign(
    trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime
):
    """One instance of the op in a network, or in an execution context."""

    def __init__(self, scale: float) -> None:
        trt.IPluginV3.__init__(self)
        trt.IPluginV3OneCore.__init__(self)
        trt.IPluginV3OneBuild.__init__(self)
        trt.IPluginV3OneRuntime.__init__(self)
        self.plugin_name, self.plugin_version, self.plugin_namespace = _NAME, _VERSION, ""
        self.num_outputs = 1
        self.scale = scale

    def get_capability_interface(self, type):  # noqa: A002 - TensorRT's name
        return self

    def clone(self):
        return ScaledSoftsign(self.scale)

    def get_output_data_types(self, input_types):
        return [input_types[0]]

    def get_output_shapes(self, inputs, shape_inputs, expr_builder):
        return [trt.DimsExprs(inputs[0])]

    def supports_format_combination(self, pos, in_out, num_inputs):
        desc = in_out[pos].desc
        return desc.type == trt.DataType.FLOAT and desc.format == trt.TensorFormat.LINEAR

    def configure_plugin(self, inp, out):
        pass

    def on_shape_change(self, inp, out):
        pass

    def attach_to_context(self, context):
        return self.clone()

    def get_valid_tactics(self):
        return []

    def set_tactic(self, tactic):
        pass

    def get_fields_to_serialize(self):
        scale = np.array([self.scale], np.float32)
        return trt.PluginFieldCollection(
            [trt.PluginField("scale", scale, trt.PluginFieldType.FLOAT32)]
        )

    def enqueue(self, input_desc, output_desc, inputs, outputs, workspace, stream):
        count = int(np.prod(input_desc[0].dims))
        driver = ctypes.CDLL("libcuda.so.1")
        arguments = (
            ctypes.c_uint64(inputs[0]),
            ctypes.c_uint64(outputs[0]),
            ctypes.c_float(self.scale),
            ctypes.c_uint32(count),
        )
        pointers = (ctypes.c_void_p * 4)(*(ctypes.addressof(each) for each in arguments))
        blocks = (count + _THREADS - 1) // _THREADS
        _checked(
            driver.cuLaunchKernel(
                _kernel(driver), blocks, 1, 1, _THREADS, 1, 1, 0,
                ctypes.c_void_p(stream), pointers, None,
            )
        )  # fmt: skip


_kernels: dict[int, ctypes.c_void_p] = {}  # by CUDA context


def _kernel(driver: ctypes.CDLL) -> ctypes.c_void_p:
    context = ctypes.c_void_p()
    _checked(driver.cuCtxGetCurrent(ctypes.byref(context)))
    if context.value not in _kernels:
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        _checked(driver.cuModuleLoadData(ctypes.byref(module), _PTX))
        _checked(driver.cuModuleGetFunction(ctypes.byref(function), module, b"scaled_softsign"))
        _kernels[context.value] = function
    return _kernels[context.value]


class Creator(trt.IPluginCreatorV3One):
    """What the ONNX parser and the deserializer make instances with."""

    def __init__(self) -> None:
        trt.IPluginCreatorV3One.__init__(self)
        self.name, self.plugin_version, self.plugin_namespace = _NAME, _VERSION, ""
        self.field_names = trt.PluginFieldCollection(
            [trt.PluginField("scale", np.array([], np.float32), trt.PluginFieldType.FLOAT32)]
        )

    def create_plugin(self, name, fields, phase):
        scale = next((float(f.data[0]) for f in fields if f.name == "scale"), 1.0)
        return ScaledSoftsign(scale)


trt.get_plugin_registry().register_creator(Creator(), "")
