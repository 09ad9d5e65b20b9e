"""Cut the graph at tensors, and rename inputs and outputs on the way: --inputs, --outputs.

1. NAME: the tensor becomes an input or output; what only others needed is dropped.
2. NEW=NAME: the same, under the name NEW.
3. --outputs alone: inputs that nothing needs any more go too.
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.graph import elem_type


class _Point(NamedTuple):
    tensor: gs.Tensor
    name: str  # that it gets


class Cut(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Cut where the options say."""
        options, graph = job.options, job.graph
        if not (options.inputs or options.outputs):
            return skipped("no cut points were given")
        inputs = _points(graph, options.inputs, "--inputs")
        outputs = _points(graph, options.outputs, "--outputs")
        if inputs:
            _set_inputs(job, inputs)
        if outputs:
            _set_outputs(job, outputs)
        graph.cleanup(remove_unused_graph_inputs=not inputs)
        _refuse_missing_inputs(job)
        _rename(job, inputs + outputs)
        job.input_names = {t.name: job.input_names[t.name] for t in graph.inputs}
        return Done(
            True, f"the model now goes from {_names(graph.inputs)} to {_names(graph.outputs)}"
        )

    def ensures(self, job: Job) -> None:
        """The names that were asked for are there."""
        asked = {text.split("=", 1)[0] for text in job.options.outputs if "=" in text}
        if missing := asked - {tensor.name for tensor in job.graph.outputs}:
            raise ContractError(f"outputs {sorted(missing)} are missing")


def _points(graph: gs.Graph, texts: tuple[str, ...], option: str) -> list[_Point]:
    tensors = graph.tensors()
    points = []
    for text in texts:
        new, _, old = ("", "", text) if text in tensors else text.rpartition("=")
        if old not in tensors:
            raise _unknown(old, list(tensors), option)
        points.append(_Point(tensors[old], new or old))
    names = [point.name for point in points]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SurgeryError(f"{option} gives the name '{twice[0]}' twice", "give each its own name")
    return points


def _unknown(name: str, known: list[str], option: str) -> SurgeryError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    also = f"; near it are {', '.join(near)}" if near else ""
    return SurgeryError(
        f"{option} names '{name}', which no tensor of the model is called{also}",
        "`trtbuild inspect` lists a model's inputs and outputs; Netron shows its inner tensors",
    )


def _set_inputs(job: Job, points: list[_Point]) -> None:
    for tensor, _ in points:
        if isinstance(tensor, gs.Constant):
            raise SurgeryError(
                f"--inputs names '{tensor.name}', which is a constant of the model",
                "name a tensor that is computed",
            )
        if not elem_type(tensor) or tensor.shape is None:
            raise SurgeryError(
                f"--inputs names '{tensor.name}', whose data type and shape nobody knows",
                "cut at a tensor nearer to the model's inputs",
            )
        tensor.inputs.clear()
    job.graph.inputs = [point.tensor for point in points]
    job.input_names = {t.name: job.input_names.get(t.name, "") for t in job.graph.inputs}


def _set_outputs(job: Job, points: list[_Point]) -> None:
    for tensor, _ in points:
        if not elem_type(tensor):
            raise SurgeryError(
                f"--outputs names '{tensor.name}', whose data type nobody knows",
                "cut before the op that no ONNX operator set defines",
            )
    job.graph.outputs = [point.tensor for point in points]
    job.output_names = {t.name: job.output_names.get(t.name, "") for t in job.graph.outputs}


def _refuse_missing_inputs(job: Job) -> None:
    given = {tensor.name for tensor in job.graph.inputs}
    missing = [
        tensor.name
        for tensor in job.graph.tensors().values()
        if isinstance(tensor, gs.Variable)
        and tensor.outputs
        and not tensor.inputs
        and tensor.name not in given
    ]
    if missing:
        raise SurgeryError(
            f"the outputs {_names(job.graph.outputs)} need more than --inputs gives: "
            f"{', '.join(missing)}",
            f"add them: --inputs {','.join([*job.options.inputs, *missing])}",
        )


def _rename(job: Job, points: list[_Point]) -> None:
    for tensor, name in points:
        other = job.graph.tensors().get(name)
        if other is not None and other is not tensor:
            raise SurgeryError(
                f"'{tensor.name}' cannot be called '{name}': another tensor has that name",
                "choose a name that the model does not use",
            )
        job.rename(tensor, name)


def _names(tensors: list[gs.Tensor]) -> str:
    return ", ".join(tensor.name for tensor in tensors)
