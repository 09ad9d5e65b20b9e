"""What a model asks of a request: the check between a request's header and its place in a queue.

Follows Triton's InferenceRequest::Normalize (core/src/infer_request.cc), messages included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trtserve.errors import Kind, ServeError, invalid
from trtserve.request import Call, CallInput, CallOutput, Parameters
from trtserve.tensors import NUMPY, byte_size, shape_text

_FINAL_RESPONSE = "triton_enable_empty_final_response"
MAX_CLASSES_ELEMENTS = 1_000_000
UNCLASSIFIED = ("FP16", "BF16", "BOOL", "BYTES")
_BATCH_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be"
    " prepended to each input shape. If you want to specify the full shape including the batch dim"
    " in your input dims config, try setting max_batch_size to zero."
)


class TensorRule(NamedTuple):
    """One input or output of a model's config."""

    name: str
    dtype: str  # wire name
    dims: tuple[int, ...]  # without the batch dim; -1: any size
    reshape: tuple[int, ...] | None = None  # what the backend sees instead of dims
    optional: bool = False
    labels: tuple[str, ...] = ()  # of an output, for the classification extension
    ragged: bool = False  # requests with other shapes of this input may share a batch


class Contract:
    """The rules of one loaded model, read from its completed config once."""

    def __init__(self, name: str, config: Any, labels: Mapping[str, tuple[str, ...]]) -> None:
        self.name = name
        self.max_batch_size: int = config.max_batch_size
        self.inputs = {rule.name: rule for rule in map(_rule, config.input)}
        self.outputs = {
            rule.name: rule._replace(labels=labels.get(rule.name, ()))
            for rule in map(_rule, config.output)
        }
        self.required = [rule.name for rule in self.inputs.values() if not rule.optional]
        self.priority_levels: int = config.dynamic_batching.priority_levels
        # Equal shapes can be told from equal batch dims alone: no need to compare more.
        self.one_group = len(self.required) == len(self.inputs) and not any(
            dim < 0 for rule in self.inputs.values() if not rule.ragged for dim in rule.dims
        )

    def call(
        self,
        id_: str,
        inputs: Sequence[CallInput],
        outputs: Sequence[CallOutput],
        parameters: Parameters,
        *,
        binary: bool,
    ) -> Call:
        """Check a request's header. `binary`: how outputs travel where none is named.

        Raises `ServeError` with Triton's messages, the request's id before them.
        """
        try:
            rows = self._check_inputs(inputs)
            # An output named twice is answered once, as the first says: Triton does that too.
            asked = {each.name: self._check_output(each) for each in reversed(outputs)}
            wanted = tuple(asked[name] for name in dict.fromkeys(o.name for o in outputs)) or tuple(
                CallOutput(name, 0, binary) for name in self.outputs
            )
            priority, timeout_us = self._queueing(parameters)
            sizes = tuple(byte_size(each.dtype, each.shape, each.name) for each in inputs)
        except ServeError as error:
            raise ServeError(error.kind, f"[request id: {id_ or '<id_unknown>'}] {error}") from None
        return Call(
            id_, tuple(inputs), wanted, rows, self._group(inputs), parameters, priority,
            timeout_us, sizes, tuple([each.name for each in wanted]),
        )  # fmt: skip

    def _check_inputs(self, inputs: Sequence[CallInput]) -> int:
        names = [each.name for each in inputs]
        if len(names) > len(self.inputs) or len(names) < len(self.required):
            raise self._wrong_count(names)
        rows = 0
        for each in inputs:
            rule = self.inputs.get(each.name)
            if rule is None:
                allowed = ", ".join(self.inputs)
                raise invalid(
                    f"unexpected inference input '{each.name}' for model '{self.name}', "
                    f"allowed inputs are: {allowed}"
                )
            rows = self._check_input(each, rule, rows)
        if len(set(names)) != len(names):
            raise invalid(f"an input is given twice for model '{self.name}': {', '.join(names)}")
        if missing := [name for name in self.required if name not in names]:
            raise self._wrong_count(names, missing)
        return rows if self.max_batch_size else 1

    def _wrong_count(self, names: list[str], missing: list[str] | None = None) -> ServeError:
        got = ",".join(f"'{name}'" for name in names)
        lacking = missing or [name for name in self.required if name not in names]
        least, most = len(self.required), len(self.inputs)
        expected = f"{most} inputs" if least == most else f"between {least} and {most} inputs"
        text = f"expected {expected} but got {len(names)} inputs for model '{self.name}'."
        if lacking:
            needed = ",".join(f"'{name}'" for name in lacking)
            text += (
                f" Got input(s) [{got}], but missing required input(s) [{needed}]."
                " Please provide all required input(s)."
            )
        return invalid(text)

    def _check_input(self, each: CallInput, rule: TensorRule, rows: int) -> int:
        if each.dtype != rule.dtype:
            raise invalid(
                f"inference input '{each.name}' data-type is '{each.dtype}', but model "
                f"'{self.name}' expects '{rule.dtype}'"
            )
        if self.max_batch_size:
            rows = self._check_rows(each, rows)
        if not fits(each.shape, self._full_dims(rule)):
            raise invalid(
                f"unexpected shape for input '{each.name}' for model '{self.name}'. Expected "
                f"{shape_text(self._full_dims(rule))}, got {shape_text(each.shape)}."
                + (_BATCH_NOTE if self.max_batch_size else "")
            )
        return rows

    def _check_rows(self, each: CallInput, rows: int) -> int:
        if not each.shape or each.shape[0] < 1:
            raise invalid(
                f"input '{each.name}' for model '{self.name}' needs a batch dimension of at least 1"
            )
        if each.shape[0] > self.max_batch_size:
            raise invalid(
                f"inference request batch-size must be <= {self.max_batch_size} for '{self.name}'"
            )
        if rows and each.shape[0] != rows:
            raise invalid(
                f"input '{each.name}' batch size does not match other inputs for '{self.name}'"
            )
        return each.shape[0]

    def _full_dims(self, rule: TensorRule) -> tuple[int, ...]:
        return (-1, *rule.dims) if self.max_batch_size else rule.dims

    def _check_output(self, each: CallOutput) -> CallOutput:
        rule = self.outputs.get(each.name)
        if rule is None:
            raise invalid(f"unexpected inference output '{each.name}' for model '{self.name}'")
        if each.classification and rule.dtype in UNCLASSIFIED:
            raise invalid(
                f"class result not available for output '{each.name}' due to unsupported type "
                f"'{rule.dtype}'"
            )
        return each

    def _queueing(self, parameters: Parameters) -> tuple[int, int]:
        """Priority and timeout of the request; a priority out of range is the default's."""
        for name in ("sequence_start", "sequence_end", _FINAL_RESPONSE):
            if not isinstance(parameters.get(name, False), bool):
                raise invalid(f"parameter '{name}' must be true or false")
        priority = _unsigned(parameters, "priority")
        if priority > self.priority_levels:
            priority = 0
        return priority, _unsigned(parameters, "timeout")

    def _group(self, inputs: Sequence[CallInput]) -> Any:
        if not self.max_batch_size:
            return None
        if self.one_group:
            return ()
        return tuple(
            sorted(
                (each.name, () if self.inputs[each.name].ragged else each.shape[1:])
                for each in inputs
            )
        )


def check_parameter(name: str, of: str) -> None:
    """Refuse names that mean what is not served. `of`: "request", or what else has parameters."""
    if of == "request" and name.startswith("triton_") and name != _FINAL_RESPONSE:
        raise invalid(f"parameter '{name}': names that begin with 'triton_' are reserved")
    if name.startswith("shared_memory_"):
        raise ServeError(Kind.UNSUPPORTED, f"'{name}': shared memory is not served")


def _unsigned(parameters: Parameters, name: str) -> int:
    value = parameters.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise invalid(f"parameter '{name}' must be an unsigned integer, got {value!r}")
    return value


def fits(shape: Sequence[int], dims: Sequence[int]) -> bool:
    """Whether a shape is one of those that `dims` allows; -1 there allows any size."""
    return len(shape) == len(dims) and all(
        size >= 0 and dim in (-1, size) for size, dim in zip(shape, dims, strict=True)
    )


def _rule(tensor: Any) -> TensorRule:
    name = (
        tensor.DESCRIPTOR.fields_by_name["data_type"]
        .enum_type.values_by_number[tensor.data_type]
        .name
    )
    dtype = "BYTES" if name == "TYPE_STRING" else name.removeprefix("TYPE_")
    assert dtype in NUMPY, f"{tensor.name} has the data type {name}"
    reshape = tuple(tensor.reshape.shape) if tensor.HasField("reshape") else None
    optional = getattr(tensor, "optional", False)  # outputs have no such fields
    ragged = getattr(tensor, "allow_ragged_batch", False)
    return TensorRule(tensor.name, dtype, tuple(tensor.dims), reshape, optional, ragged=ragged)
