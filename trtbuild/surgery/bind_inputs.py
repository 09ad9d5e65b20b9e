"""Make constants of inputs: --bind. Branches on them are decided when constants are folded."""

from __future__ import annotations

from trtbuild.bound import bound_array
from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.graph import text
from trtbuild.surgery.trial import inputs_of


class BindInputs(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Give each input that is bound its value. An exporter may have left it out already."""
        if not job.options.bind:
            return skipped("no --bind was given")
        graph = job.graph
        specs = {spec.name: spec for spec in inputs_of(graph)}
        there = {tensor.name: tensor for tensor in graph.inputs}
        bound = []
        for name, value in job.options.bind.items():
            if name not in there and job.options.bound_by_source:
                continue
            if name not in there:
                raise SurgeryError(
                    f"--bind names '{name}', which the model does not have; "
                    f"there are: {'; '.join(map(text, graph.inputs))}",
                    "use the model's names, as `trtbuild inspect` shows them",
                )
            there[name].to_constant(bound_array(specs[name], value))
            bound.append(f"{name} = {value}")
            job.input_names.pop(name)
        graph.inputs = [each for each in graph.inputs if each.name not in job.options.bind]
        if not graph.inputs:
            raise SurgeryError(
                "--bind leaves the model no input, so its outputs are constants",
                "leave one of them unbound",
            )
        return Done(True, f"constant now: {', '.join(bound)}") if bound else skipped("left out")

    def ensures(self, job: Job) -> None:
        """None of them is an input."""
        for tensor in job.graph.inputs:
            if tensor.name in job.options.bind:
                raise ContractError(f"'{tensor.name}' is still an input")
