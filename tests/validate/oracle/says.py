"""What Triton 2.51 says when it refuses, and the rules that must have said so before it.

So a verdict that is right for the wrong reason shows too: `reasons` are the codes of which one
must be among ours.
"""

from __future__ import annotations

import re

TEXT = ("C001", "C002", "C003", "C004", "C005", "C006", "C007")
# pattern of Triton's message -> codes of our errors that say the same
SAYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"models that are not available or ambiguous", ("E009", "E011", "E010")),
    (r"circular dependency", ("E010",)),
    (r"has no loaded version|depends on .* which is not valid", ("E011", "E010")),
    (r"whose required version", ("E012",)),
    (r"failed to read text proto", (*TEXT, "C008")),
    (r"failed to open text file for read \S+config\.pbtxt", ("L009", "C008")),
    (r"at least one version must be available", ("L001", "L002")),
    (r"directory name must equal model name", ("L007",)),
    (r"model configuration is not provided", ("L010",)),
    (r"Could not determine backend|unexpected platform type", ("B001", "B003", "B004")),
    (r"unexpected 'platform' and 'backend' pair", ("B003",)),
    (r"must have platform type 'ensemble' and empty backend", ("B002",)),
    (r"unable to find backend library '[^']*\.\./", ("B009",)),
    (r"TRITON_BATCH_STRATEGY_PATH|Batching library path", ("B010",)),
    (r"must be non-negative value", ("I013",)),
    (r"must specify 'name'", ("I001",)),
    (r"must specify 'data_type'", ("I002",)),
    (r"must specify 'dims'", ("I003",)),
    (r"dimensions? must be integer >= 1", ("I004",)),
    (r"cannot have empty reshape for non-batching", ("I005",)),
    (r"different (size|number of variable-size dimensions) for dims and reshape", ("I006",)),
    (r"NHWC/NCHW require 3 dims", ("I008",)),
    (r"shape tensors are only supported|Non-linear IO format", ("I009",)),
    (r"batch input|unknown source input name", ("I011", "I012")),
    (r"batch output|target output name", ("I012",)),
    (r"preferred (batch )?size must be", ("D001",)),
    (r"default priority level must be in range", ("D002",)),
    (r"priority queue policy must have", ("D003",)),
    (r"Only one priority level is allowed", ("D004",)),
    (r"can not have DELAY as timeout action", ("D005",)),
    (r"Response Cache does not currently support.*sequence batching", ("S001",)),
    (r"Response Cache does not currently support.*decoupled", ("R001",)),
    (r"control tensor must have a name|is specified for multiple control kinds", ("S002",)),
    (r"sequence batching specifies multiple", ("S003",)),
    (
        r"must specify either '|specifies more than one from|must have exactly 2 entries"
        r"|must not specify either",
        ("S004",),
    ),
    (r"unexpected data type for control", ("S005",)),
    (r"minimum slot utilization", ("S006",)),
    (r"initial_state setting expects \d+ bytes|read \S+/initial_state/", ("S008",)),
    (r"initial_state|State input name", ("S007",)),
    (r"ensemble scheduling cannot be set", ("E001",)),
    (r"ensemble scheduling must be set|must specify 'step'", ("E002",)),
    (r"(instance group|optimization) should not be|model_warmup can not be", ("E003",)),
    (r"must specify '(model_name|input_map|output_map)'", ("E004",)),
    (r"can appear in an output map only once", ("E005",)),
    (r"ensemble input '[^']*' for ensemble .* is not used", ("E006",)),
    (r"output '[^']*' for ensemble .* is not (used|written)", ("E007",)),
    (r"is unused in ensemble", ("E008",)),
    (r"which only allows maximum batch size", ("E013",)),
    (r"non-existing (input|output)|is not mapped to any ensemble tensors", ("E014",)),
    (r"inconsistent data type", ("E015", "I002")),
    (r"inconsistent shape", ("E016", "I003")),
    (r"originated from different decoupled models", ("E017",)),
    (r"but specifies one or more GPUs", ("G001",)),
    (r"unsupported gpu id", ("G002",)),
    (r"unexpected kind", ("G003",)),
    (r"profile|stoi", ("G004",)),
    (r"to have input_data_type set", ("W001",)),
    (r"variable-size dimensions are specified|byte size mismatch", ("W002", "W003", "I002")),
    (r"expected (\d+|number of) inputs |data-type is|unexpected shape for input", ("W003", "W002")),
    (
        r"warmup setting expects \d+ bytes|string (elements|length indicator)|read \S+/warmup/",
        ("W004",),
    ),
    (r"failed to open text file for read \S+", ("L011",)),
    (r"failed to run warmup sample .* max allowed is", ("W006",)),
    (
        r"no answer|the server ended",
        ("S007", "W002", "W006", "R005", "L003", "Y006", "L011", "W004", "E010"),
    ),
)


def reasons(message: str) -> tuple[str, ...]:
    """The codes that explain `message`; () for one that no line is about, which is a difference."""
    for pattern, codes in SAYS:
        if re.search(pattern, message, re.IGNORECASE):
            return codes
    return ()
