"""An execution context that stays with one optimization profile, its shapes and addresses now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trtbuild.cuda import DeviceMemory, Stream
from trtserve.backends.tensorrt.buffers import Buffer, SizedByData, output_allocator, size_of
from trtserve.backends.tensorrt.engine import Engine
from trtserve.backends.tensorrt.profiles import Key, Shape, Shapes, key_of
from trtserve.errors import Kind, ServeError, invalid
from trtserve.plans import PlanRefused
from trtserve.tensors import shape_text

_MOST_TOLD = 1024  # clients may vary shapes forever


class Lane:
    """Runs on one stream, in memory that it may share with what never runs at the same time."""

    def __init__(
        self, engine: Engine, profile: int, stream: Stream, buffers: Mapping[str, Buffer],
        *, graphs: bool, memory: DeviceMemory,
    ) -> None:  # fmt: skip
        """Ends with the profile's largest shapes. Raises `PlanRefused`.

        `buffers`: where outputs go whose size depends on the data; such a lane runs in no others.
        `memory`: for what lies between layers, `Engine.context_memory_bytes` of it.
        """
        self._engine = engine
        self._stream = stream
        self._context = engine.new_context(final_kernels=graphs, user_managed=True)
        if not self._context.set_optimization_profile_async(profile, stream.handle):
            raise PlanRefused(f"optimization profile {profile} cannot be set: {engine.words}")
        stream.synchronize()
        self._context.set_device_memory(memory.address, memory.size_bytes)
        self._shapes: dict[str, Shape] = {}
        self._told: dict[Key, tuple[dict[str, Shape], dict[str, int]]] = {}
        self._sizes: dict[str, int] = {}
        self.output_shapes: dict[str, Shape] = {}
        self._by_data: dict[str, SizedByData] = {}
        self._allocators: list[Any] = []  # TensorRT does not keep them alive
        bounds = engine.signature.profiles[profile]
        self.set_shapes({name: each.max for name, each in bounds.items()})
        self.largest_bytes = dict(self._sizes)
        self._addresses: dict[str, int] = {}
        self._attach_allocators(buffers)

    def _attach_allocators(self, buffers: Mapping[str, Buffer]) -> None:
        """Outputs whose shape is open although all inputs' are given depend on the data."""
        for name, shape in self.output_shapes.items():
            if min(shape, default=0) < 0:
                self._by_data[name] = SizedByData(buffers[name])
                allocator = output_allocator(self._engine.trt, self._by_data[name])
                self._allocators.append(allocator)
                self._context.set_output_allocator(name, allocator)

    @property
    def sized_by_data(self) -> tuple[str, ...]:
        """Outputs whose shape only a run tells."""
        return tuple(self._by_data)

    @property
    def capturable(self) -> bool:
        """Whether what it runs now can be captured in a CUDA graph."""
        tells = getattr(self._context, "is_stream_capturable", None)  # TensorRT for RTX does
        return tells is None or bool(tells(self._stream.handle))

    def has(self, shapes: Shapes) -> bool:
        """Whether the next run is of these input shapes already."""
        return shapes == self._shapes

    def set_shapes(self, shapes: Shapes) -> None:
        """Take the input shapes of the next run. Raises `ServeError` where TensorRT refuses."""
        if self.has(shapes):
            return
        self._shapes = {}
        self._engine.words.forget()
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise invalid(
                    f"input '{name}' of shape {shape_text(shape)}: TensorRT says "
                    f"{self._engine.words}"
                )
        self.output_shapes, self._sizes = self._following(shapes)
        self._shapes = dict(shapes)

    def _following(self, shapes: Shapes) -> tuple[dict[str, Shape], dict[str, int]]:
        """Shapes of outputs, and bytes of each tensor, that follow from these inputs."""
        key = key_of(self._engine.signature, shapes)
        found = self._told.get(key)
        if found is None:
            inputs, outputs = self._engine.signature[:2]
            made = {each.name: tuple(self._context.get_tensor_shape(each.name)) for each in outputs}
            known = {**shapes, **made}
            sizes = {
                each.name: size_of(each, known[each.name])
                for each in (*inputs, *outputs)
                if min(known[each.name], default=0) >= 0
            }
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            found = self._told[key] = (made, sizes)
        return found

    def place(self, buffers: Mapping[str, Buffer]) -> None:
        """The next run is in these, with room for the shapes that are set. Raises `CudaError`."""
        for name, size in self._sizes.items():
            buffer = buffers[name]
            buffer.reserve(size)
            if self._addresses.get(name) != buffer.address:
                self._context.set_tensor_address(name, buffer.address)
                self._addresses[name] = buffer.address

    def enqueue(self) -> None:
        """Begin to run, after `set_shapes` and `place`. Raises `ServeError`."""
        self._engine.words.forget()
        if not self._context.execute_async_v3(self._stream.handle):
            raise ServeError(Kind.INTERNAL, f"TensorRT does not run the plan: {self._engine.words}")

    def shape_of(self, output: str) -> Shape:
        """The shape of an output of the run that was begun last."""
        by_data = self._by_data.get(output)
        return self.output_shapes[output] if by_data is None else by_data.shape
