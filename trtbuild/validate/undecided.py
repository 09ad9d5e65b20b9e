"""What Triton checks and a validator without the server cannot, each with the reason."""

from __future__ import annotations

UNDECIDED: tuple[tuple[str, str], ...] = (
    (
        "`--model-repository` is no folder; polling and explicit control together; "
        "`--load-model=*` beside other models",
        "options of the server's command line",
    ),
    (
        "a load request for a model that exists nowhere, with an empty name or a path in it",
        "made at run time; folders whose names such requests cannot hold are L013",
    ),
    (
        "load requests with `config` or `file:` overrides, unknown parameters, or when control is "
        "not explicit",
        "made at run time",
    ),
    (
        "models registered under another name, and `--model-namespacing`",
        "options of the server; without namespacing the same name twice is L015",
    ),
    (
        "which of `configs/*.pbtxt` is taken",
        "`--model-config-name` of the server; each is judged as if it were",
    ),
    ("a plain file at the top of a repository", "Triton ignores it, so there is nothing to report"),
    (
        "whether a backend's library is installed (`libtriton_<backend>.so`), and `runtime`",
        "it lies in the server's backend directory; names that look misspelt are B006",
    ),
    (
        "the five functions of a batching strategy's library",
        "found only by loading the library",
    ),
    (
        "which GPUs there are: KIND_GPU without one, GPU numbers, KIND_AUTO with `gpus`, "
        "`--min-supported-compute-capability`",
        "the machine's; numbers that no machine has are G002",
    ),
    (
        "`--rate-limit-resource`: more of a resource required than there is",
        "an option of the server; resources that are both global and per device are G006 and G007",
    ),
    (
        "what clients may do: shared memory of theirs is off since 26.04 (2.68) without "
        "`--allow-client-shm=true`",
        "an option of the server; nothing of a repository says whether clients use it",
    ),
    (
        "whether the server runs on Windows, which Triton supported until 26.05 (2.69)",
        "the machine's",
    ),
    ("repository agents (`model_repository_agents`)", "libraries of the server"),
    ("`response_cache` without a cache", "`--cache-config` of the server; R002 reminds of it"),
    (
        "what a plan's optimization profiles, shape tensors and formats are",
        "only TensorRT on a GPU can say; with trtbuild.lock.json beside the plan: K003 to K006",
    ),
    (
        "whether a plan's TensorRT version is the server's",
        "the server's; the version is in the plan's header. One newer than --triton is T002",
    ),
    (
        "dims of an ONNX model's output that vary in the file where ONNX Runtime can infer a size",
        "its shape inference would have to be run; F005 compares what the file says",
    ),
    (
        "queue limits, timeouts, ragged batches, sequence requests",
        "decided request by request",
    ),
    (
        "CUDA graphs: the inputs and shapes of `graph_spec` against the plan",
        "only TensorRT on a GPU can say",
    ),
    (
        "what `auto_complete_config` of a Python model adds",
        "it would have to be run",
    ),
    (
        "what a `model.py` does when it is imported and in `__init__` and `initialize`: packages "
        "that the server has not, exceptions, a class that is made at run time",
        "it would have to be run; what its syntax tree shows is Y001 to Y005",
    ),
    (
        "what is in the archive of `EXECUTION_ENV_PATH`",
        "it would have to be unpacked; a file that is no archive is B011",
    ),
    (
        "`model_warmup` of a CORRID tensor of TYPE_STRING",
        "Triton 2.51 loads it; newer ones were reported to refuse it",
    ),
)
