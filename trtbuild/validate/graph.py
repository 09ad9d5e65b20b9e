"""Ensembles as graphs: text, Mermaid, Graphviz DOT, and SVG where Graphviz is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from trtbuild.errors import MissingPackageError, RepositoryError
from trtbuild.validate.ensemble import Graph
from trtbuild.validate.model import Model

FORMATS = ("text", "mermaid", "dot", "svg")
_DOT_TIMEOUT_S = 60


def render(models: Sequence[Model], form: str) -> str:
    """The ensembles among `models` in one of `FORMATS`.

    Raises `MissingPackageError` for "svg" without Graphviz, `RepositoryError` where that fails.
    """
    ensembles = [model for model in models if model.is_ensemble]
    if form == "mermaid":
        return _mermaid(ensembles)
    if form == "dot":
        return _dot(ensembles)
    if form == "svg":
        return _svg(_dot(ensembles))
    return "\n".join(_text(model) for model in ensembles) or "no ensembles\n"


def _text(model: Model) -> str:
    graph = model.graph
    lines = [f"{model.name}: {', '.join(graph.inputs)} -> {', '.join(graph.outputs)}"]
    for step in graph.steps:
        version = "" if step.version == -1 else f" version {step.version}"
        takes = ", ".join(_renamed(tensor, key) for key, tensor in sorted(step.inputs.items()))
        gives = ", ".join(_renamed(tensor, key) for key, tensor in sorted(step.outputs.items()))
        lines.append(f"  {step.number} {step.model}{version}: {takes} -> {gives}")
    return "\n".join(lines) + "\n"


def _renamed(tensor: str, key: str) -> str:
    return tensor if tensor == key else f"{tensor} ({key})"


def _edges(model: Model) -> list[tuple[str, str, str]]:
    """Source node, tensor and target node; `in` and `out` are the ensemble's own."""
    graph: Graph = model.graph
    edges = []
    for step in graph.steps:
        for tensor in dict.fromkeys(step.inputs.values()):
            sources = [f"s{writer.step.number}" for writer in graph.writers.get(tensor, ())]
            if tensor in graph.inputs:
                sources.insert(0, "in")
            edges += [(source, tensor, f"s{step.number}") for source in sources]
    for tensor in graph.outputs:
        writers = [f"s{writer.step.number}" for writer in graph.writers.get(tensor, ())]
        edges += [(source, tensor, "out") for source in writers]
    return edges


def _mermaid(ensembles: Sequence[Model]) -> str:
    lines = ["flowchart LR"]
    for number, model in enumerate(ensembles):
        lines.append(f'  subgraph e{number}["{_html(model.name)}"]')
        lines += [f'    e{number}in(["inputs"])', f'    e{number}out(["outputs"])']
        for step in model.graph.steps:
            lines.append(f'    e{number}s{step.number}["{_html(step.model)}"]')
        for source, tensor, target in _edges(model):
            lines.append(f'    e{number}{source} -- "{_html(tensor)}" --> e{number}{target}')
        lines.append("  end")
    return "\n".join(lines) + "\n"


def _html(text: str) -> str:
    """What Mermaid takes inside quotes: anything odd as a numbered entity."""
    return re.sub(r"[^\w .:/-]", lambda match: f"#{ord(match[0])};", text)


def _dot(ensembles: Sequence[Model]) -> str:
    lines = ["digraph ensembles {", "  rankdir=LR;", "  node [shape=box];"]
    for number, model in enumerate(ensembles):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    label={_quoted(model.name)};")
        lines.append(f"    e{number}in [label=inputs, shape=ellipse];")
        lines.append(f"    e{number}out [label=outputs, shape=ellipse];")
        for step in model.graph.steps:
            lines.append(f"    e{number}s{step.number} [label={_quoted(step.model)}];")
        for source, tensor, target in _edges(model):
            edge = f"e{number}{source} -> e{number}{target}"
            lines.append(f"    {edge} [label={_quoted(tensor)}];")
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _svg(dot: str) -> str:
    program = shutil.which("dot")
    if program is None:
        raise MissingPackageError(
            "an SVG of ensembles needs Graphviz's program 'dot', which is not installed",
            "apt install graphviz, or use --format mermaid or dot",
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=dot.encode("utf-8", "replace"),
            capture_output=True,
            timeout=_DOT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RepositoryError(
            f"dot did not end within {_DOT_TIMEOUT_S} s", "use --format mermaid or dot"
        ) from None
    if done.returncode:
        raise RepositoryError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
