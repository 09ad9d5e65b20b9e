"""From a rule's field paths to the reader's, and to places in a file."""

from __future__ import annotations

from trtbuild.validate.finding import FieldPath

# Fields of ModelConfig that are maps; a path names their entries by key.
MAPS = frozenset(
    {
        "cc_model_filenames",
        "inputs",
        "input_map",
        "metric_tags",
        "output_map",
        "parameters",
        "priority_queue_policy",
    }
)


def path_text(path: FieldPath) -> str:
    """`("input", 0, "dims", 2)` as the reader writes it: `input[0].dims[2]`."""
    text, previous = "", ""
    for part in path:
        if previous in MAPS:
            text += f'["{part}"]'
            previous = ""
        elif isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
            previous = part
    return text
