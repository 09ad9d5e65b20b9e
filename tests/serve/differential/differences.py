"""What differs from Triton on purpose, and when two errors mean the same.

Answers are compared as one line of text: the status and, of an error, its message. docs/serve.md
shows `DIFFERENCES` as a table, and a test holds the two together.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Difference(NamedTuple):
    """One row. `theirs` and `mine` are patterns of the two lines; none: not seen in a line."""

    triton: str
    ours: str
    why: str
    theirs: str = ""
    mine: str = ""


DIFFERENCES = (
    Difference(
        "JSON or a message of a wrong type or syntax, bad load parameters and log settings: 500, "
        "503, INTERNAL",
        "400, INVALID_ARGUMENT", "it is the client's fault",
        r"500 |INTERNAL |503 invalid argument for --log_format|400 load failed",
        r"400 |INVALID_ARGUMENT ",
    ),
    Difference(
        "numbers that a type cannot hold wrap around", "400, INVALID_ARGUMENT",
        "a wrong answer without a word", r"200|OK", r".*(cannot hold|must be an unsigned integer)",
    ),
    Difference(
        "JSON values of another type are converted, too many are dropped", "400", "the same",
        r"200", r"400 .*(is no|needs \d+ elements|must be a string)",
    ),
    Difference(
        "flags that are no booleans, `parameters` and bodies that are no object, unknown log "
        "settings: ignored",
        "400, INVALID_ARGUMENT", "the same",
        r"200|OK", r".*(must be an? (JSON )?object|must be true or false|no log setting)",
    ),
    Difference(
        "bytes behind the tensors, raw contents without an input, an empty body: ignored",
        "400, INVALID_ARGUMENT", "the same",
        r"200|OK|400 .*raw_input",
        r".*(additional input data|raw_input_contents, one for each|zero-length)",
    ),
    Difference(
        "`Inference-Header-Content-Length` that is no number: the number it begins with", "400",
        "the same", r"200|400", r"400 .*(must be a length|but the body has)",
    ),
    Difference(
        "a batch of no rows is run", "400, INVALID_ARGUMENT", "there is nothing to answer",
        r"200|OK", r".*needs a batch dimension of at least 1",
    ),
    Difference(
        "a batch of 0 or -1 rows with data: another size of the data is asked for",
        "the batch dimension is named", "it is what is wrong",
        r"(400|INVALID_ARGUMENT) .*(byte size mismatch|string elements)",
        r"(400|INVALID_ARGUMENT) .*needs a batch dimension of at least 1",
    ),
    Difference(
        "huge shapes, torn BYTES and classes of BYTES end the server or its model's process",
        "400, INVALID_ARGUMENT", "", r"down", r"400 |INVALID_ARGUMENT ",
    ),
    Difference(
        "request parameters as `uint64_param`: refused by 2.51", "taken",
        "later releases take them", r"INVALID_ARGUMENT invalid value type for", r"OK",
    ),
    Difference(
        "a body over the limit: 400", "413, RESOURCE_EXHAUSTED", "the code says it",
    ),
    Difference("HEAD: 405", "as GET, without the body", "RFC 9110", r"405", r"200"),
    Difference(
        "`%61` in a model's name in a path is three characters", "one", "clients encode names",
        r"404 .*%", r"200|404 ",
    ),
    Difference(
        "unloading what there is not: 200", "404, NOT_FOUND", "a typo is no success",
        r"200|OK", r"(404|NOT_FOUND) Request for unknown model",
    ),
    Difference(
        "a repository's name before `index`, over HTTP: ignored", "501", "as over gRPC",
        r"200", r"501 .*repository_name",
    ),
    Difference(
        "no body where log settings should be: 500", "no change", "as with every other body",
        r"500 .*document is empty", r"200",
    ),
    Difference(
        "the body of some errors is JSON under `text/plain`", "`application/json`", "it is JSON",
    ),
    Difference(
        "FP32 in JSON as the double it becomes", "the shortest decimal of the float",
        "the same number, shorter",
    ),
    Difference(
        "two instances of an ONNX model on a CPU", "one", "two share the same cores",
    ),
)  # fmt: skip

# What an error is about -> how the two servers put it.
TOPICS = {
    "structure": r"only one of the following fields|has neither|has both|request has no|needs '|"
    r"must be an (array|object)",
    "unknown model": r"unknown model|is not available|failed to poll|no model name",
    "model version": r"model version",
    "number of inputs": r"expected .*\d+ inputs? but got|already exists in request|is given twice",
    "unknown input": r"unexpected inference input",
    "unknown output": r"unexpected inference output",
    "data type": r"data-type is|has the datatype|explicit tensor data|no typed contents|"
    r"nvalid datatype|class result not available",
    "shape": r"unexpected shape|batch dimension|batch-size|input dimensions should|has no shape|"
    r"batch size does not match|no tensor can have|shape for input",
    "amount of data": r"byte size mismatch|number of elements|unable to find data|binary_data_size|"
    r"raw_input_contents, one for|raw_input_contents for|incomplete string|string elements|"
    r"BYTES tensor|strings for|elements in 'data'|Unable to parse 'data'|additional input data|"
    r"unexpected size for|header size should be|Inference-Header-Content-Length is",
    "log": r"log file|log setting|log_format|'log_info'",
    "parameter": r"arameter|classification|priority",
    "JSON": r"parse|JSON",
    "path": r"Not Found|there is nothing at",
    "method": r"Method Not Allowed|is not allowed here",
    "not ready": r"not ready",
    "raw request": r"raw (binary|input)",
    "repository": r"repository_name",
    "load": r"load",
}


def topic(line: str) -> str:
    """What an error is about: the first of `TOPICS` that fits, "" for none."""
    return next((name for name, words in TOPICS.items() if re.search(words, line)), "")


def explained(theirs: str, ours: str) -> Difference | None:
    """The row that allows these two lines to differ."""
    for row in DIFFERENCES:
        if row.theirs and re.match(row.theirs, theirs) and re.match(row.mine, ours):
            return row
    return None


def same_meaning(theirs: str, ours: str) -> bool:
    """Two errors: of one status and about one thing."""
    status = theirs.partition(" ")[0]
    return status == ours.partition(" ")[0] and topic(theirs) == topic(ours) != ""


def table() -> str:
    """`DIFFERENCES` as Markdown."""
    rows = [f"| {row.triton} | {row.ours} | {row.why} |" for row in DIFFERENCES]
    return "\n".join(["| Triton 2.51 | trtbuild serve | why |", "|---|---|---|", *rows])
