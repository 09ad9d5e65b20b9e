"""A TensorFlow SavedModel, of TensorFlow 2 or 1, through one of its signatures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trtbuild.artifacts import SourceRef
from trtbuild.errors import SourceError, first_line
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.tf_export import (
    distinct_outputs,
    export_function,
    running,
    tensorflow,
)
from trtbuild.sources.tf_roots import refuse_saved_model

if TYPE_CHECKING:
    import numpy as np

_DEFAULT_TAG = "serve"
_DEFAULT_SIGNATURE = "serving_default"


class SavedModel:
    """The signature chosen. Inputs and outputs have the signature's names."""

    def __init__(self, ref: SourceRef, options: SourceOptions) -> None:
        self.what = f"the SavedModel '{ref.location}'"
        self.options = options
        tf = tensorflow()
        try:
            tags, signature = self._choose(ref.location)
            self.model = tf.saved_model.load(ref.location, tags=list(tags))
            self.function = self.model.signatures[signature]
            # The keyword arguments of a signature are sorted by name, and so are its results.
            self.inputs = sorted(self.function.structured_input_signature[1])
            found = sorted(self.function.structured_outputs)
        except SourceError:
            raise
        except Exception as error:
            raise SourceError(
                f"TensorFlow {tf.__version__} cannot load {self.what}: {first_line(error)}"
            ) from error
        self.outputs = distinct_outputs(self.inputs, found)

    def _choose(self, location: str) -> tuple[tuple[str, ...], str]:
        """The tags and the signature; what they would run is looked through before it is loaded."""
        from tensorflow.python.saved_model.loader_impl import parse_saved_model

        saved_model = parse_saved_model(location)
        graphs = {
            tuple(sorted(graph.meta_info_def.tags)): graph for graph in saved_model.meta_graphs
        }
        tags = _choose_tags(self.what, list(graphs), self.options.tags)
        names = [name for name in graphs[tags].signature_def if not name.startswith("__")]
        signature = _choose_signature(self.what, names, self.options.signature)
        if not self.options.trust_source:
            for graph in saved_model.meta_graphs:  # two may have the same tags
                if set(graph.meta_info_def.tags) == set(tags):
                    refuse_saved_model(saved_model, graph, signature, self.what)
        return tags, signature

    def export(self, path: Path) -> tuple[str, ...]:
        """As `session.Source`."""
        return export_function(
            self.function, self.inputs, self.outputs, path, what=self.what, options=self.options
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `session.Source`."""
        import tensorflow as tf

        with running(self.what):
            results = self.function(**{name: tf.constant(inputs[name]) for name in self.inputs})
            return {new: results[name].numpy() for new, name in self.outputs.items()}


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
