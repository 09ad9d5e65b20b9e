"""Random strings for warm-up are empty ones.

What: `random_data: true` for a warm-up input of TYPE_STRING.
Why: the model loads, and the server sends empty strings, as with `zero_data`.

Example:
    backend: "python"
    input { name: "text" data_type: TYPE_STRING dims: [1] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "text" value { data_type: TYPE_STRING dims: [1] random_data: true } }
    }

Instead:

    backend: "python"
    input { name: "text" data_type: TYPE_STRING dims: [1] }
    model_warmup {
      name: "first" batch_size: 1
      inputs { key: "text" value { data_type: TYPE_STRING dims: [1] zero_data: true } }
    }

Source: Triton core, backend_model_instance.cc, GenerateWarmupData.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate import words
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.warmup.each import warm_inputs

NAME = "warmup-random-strings"
SEVERITY = Severity.INFO
NEEDS = "model_warmup"


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    for warm in warm_inputs(model):
        random = warm.entry.WhichOneof("input_data_type") == "random_data"
        if random and warm.entry.data_type == words.STRING:
            yield Finding(
                message=f"the random strings of the warm-up input '{warm.name}' are empty ones",
                at=warm.at("value", "random_data"),
                hint="give real ones with input_data_file, each after its length in 4 bytes",
            )
