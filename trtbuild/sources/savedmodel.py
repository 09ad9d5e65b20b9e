"""A TensorFlow SavedModel, of TensorFlow 2 or 1, through one of its signatures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.tf1_graph import frozen_signature
from trtbuild.sources.tf_export import (
    Frozen,
    distinct_outputs,
    export_frozen,
    freeze,
    running,
    tensorflow,
)
from trtbuild.sources.tf_roots import refuse_graph_load, refuse_saved_model

if TYPE_CHECKING:
    import numpy as np

_DEFAULT_TAG = "serve"
_DEFAULT_SIGNATURE = "serving_default"


class SavedModel:
    """The signature chosen. Inputs and outputs have the signature's names.

    Its graph is frozen as TensorFlow 2 rebuilds it from the objects, else by `tf1_graph`.
    """

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the SavedModel '{ref.location}'"
        self.options = options
        tf = tensorflow()
        self.notes: tuple[str, ...] = ()
        try:
            tags, name, signature = self._choose(ref.location)
            self.inputs = sorted(signature.inputs)
            wanted = _wanted_outputs(self.what, signature, options)
            self.outputs = distinct_outputs(self.inputs, wanted)
        except SourceError:
            raise
        except Exception as error:
            raise _cannot_load(self.what, error) from error
        try:
            self._rebuild(tf, ref.location, tags, name)
        except SourceError:
            raise
        except Exception as error:
            self._read_graph(ref.location, tags, name, error)

    def _rebuild(self, tf: Any, location: str, tags: tuple[str, ...], name: str) -> None:
        self.model = tf.saved_model.load(location, tags=list(tags))
        function = self.model.signatures[name]
        # The keyword arguments of a signature are sorted by name, and so are its results.
        names = sorted(function.structured_input_signature[1])
        results = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))
        self.frozen = Frozen(
            freeze(function, self.what),
            dict(zip(names, (each.name for each in function.inputs), strict=False)),
            {new: results[old].name for new, old in self.outputs.items()},
        )

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            found = function(**{name: tf.constant(inputs[name]) for name in names})
            return {new: found[old] for new, old in self.outputs.items()}

        self._run = run

    def _read_graph(
        self, location: str, tags: tuple[str, ...], name: str, first: Exception
    ) -> None:
        import tensorflow as tf
        from tensorflow.python.saved_model.loader_impl import parse_saved_model

        saved_model = parse_saved_model(location)
        graph = next(
            each for each in saved_model.meta_graphs if set(each.meta_info_def.tags) == set(tags)
        )
        if not self.options.trust_source:  # it runs other ops than the objects would
            refuse_graph_load(saved_model, graph, name, self.what)
        signature = graph.signature_def[name]

        try:
            self.frozen, function = frozen_signature(
                location, tags, signature, self.outputs, self.what
            )
        except Exception:  # what TensorFlow 2 says is about the model as people know it
            raise _cannot_load(self.what, first) from first
        self.notes = (
            "read by TensorFlow 1's loader, since TensorFlow 2 does not rebuild its objects: "
            f"{first_line(first)}",
        )

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            found = function(*(tf.constant(inputs[name]) for name in self.frozen.inputs))
            return dict(zip(self.frozen.outputs, found, strict=True))

        self._run = run

    def _choose(self, location: str) -> tuple[tuple[str, ...], str, Any]:
        """The tags and the signature; what they would run is looked through before it is loaded."""
        from tensorflow.python.saved_model.loader_impl import parse_saved_model

        saved_model = parse_saved_model(location)
        graphs = {
            tuple(sorted(graph.meta_info_def.tags)): graph for graph in saved_model.meta_graphs
        }
        tags = _choose_tags(self.what, list(graphs), self.options.tags)
        there = graphs[tags].signature_def
        names = [name for name in there if not name.startswith("__")]
        name = _choose_signature(self.what, names, self.options.signature)
        if not self.options.trust_source:
            for graph in saved_model.meta_graphs:  # two may have the same tags
                if set(graph.meta_info_def.tags) == set(tags):
                    refuse_saved_model(saved_model, graph, name, self.what)
        return tags, name, there[name]

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        return (*self.notes, *export_frozen(self.frozen, path, self.what, self.options))

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        with running(self.what):
            return {name: result.numpy() for name, result in self._run(inputs).items()}


def _cannot_load(what: str, error: Exception) -> SourceError:
    import tensorflow as tf

    return SourceError(f"TensorFlow {tf.__version__} cannot load {what}: {first_line(error)}")


def _wanted_outputs(what: str, signature: Any, options: SourceOptions) -> list[str]:
    """The signature's outputs, or those of --outputs where it names such; none may be strings."""
    import tensorflow as tf

    def strings(infos: Any) -> list[str]:
        return sorted(
            name for name, info in infos.items() if info.dtype == tf.string.as_datatype_enum
        )

    if texts := strings(signature.inputs):
        raise SourceError(
            f"input '{texts[0]}' of {what} takes strings, which TensorRT does not have",
            "export a signature that takes numbers (of an estimator: "
            "build_raw_serving_input_receiver_fn), or choose one that does: --signature NAME",
        )
    asked = [text.rpartition("=")[2] for text in options.signature_outputs]
    there = sorted(signature.outputs)
    wanted = [name for name in there if name in asked] if set(asked) <= set(there) else there
    wanted = wanted or there
    if texts := [name for name in strings(signature.outputs) if name in wanted]:
        others = [name for name in wanted if name not in texts]
        raise SourceError(
            f"output '{texts[0]}' of {what} gives strings, which TensorRT does not have",
            f"leave it out: {' '.join(f'--outputs {name}' for name in others)}"
            if others
            else "export a signature that gives numbers",
        )
    return wanted


def _choose_tags(
    what: str, there: list[tuple[str, ...]], asked: tuple[str, ...]
) -> tuple[str, ...]:
    wanted = tuple(sorted(asked)) or (_DEFAULT_TAG,)
    if wanted in there:
        return wanted
    if not asked and len(there) == 1:
        return there[0]
    listed = "; ".join(", ".join(tags) or "(none)" for tags in there)
    raise SourceError(
        f"{what} has no graph with the tags {', '.join(wanted)}; there are: {listed}",
        "choose one: --tag TAG (repeat it where a graph has several)",
    )


def _choose_signature(what: str, there: list[str], asked: str | None) -> str:
    wanted = asked or _DEFAULT_SIGNATURE
    if wanted in there:
        return wanted
    if asked is None and len(there) == 1:
        return there[0]
    if not there:
        raise SourceError(
            f"{what} has no signatures",
            "save it with one: tf.saved_model.save(model, DIR, signatures=model.call)",
        )
    raise SourceError(
        f"{what} has no signature '{wanted}'; there are: {', '.join(sorted(there))}",
        "choose one: --signature NAME",
    )
