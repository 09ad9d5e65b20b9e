"""The real Python backend on `model.py` files: what it refuses, and what it loads."""

from __future__ import annotations

import textwrap

import pytest

from tests.validate.files import files_of
from tests.validate.oracle.compare import our_errors
from tests.validate.oracle.server import Triton
from trtbuild.validate.settings import Settings

IO = """backend: "python"
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
"""
CLASS = "class TritonPythonModel:\n"
EXECUTE = "    def execute(self, requests):\n        return []\n"
PLAIN = CLASS + EXECUTE
ANSWERING = """import triton_python_backend_utils as pb
class TritonPythonModel:
    def answer(self, request):
        a = pb.get_input_tensor_by_name(request, "a").as_numpy()
        return pb.InferenceResponse(output_tensors=[pb.Tensor("b", a)])
    def execute(self, requests):
        return [self.answer(request) for request in requests]
"""
CPU_ONLY = "FORCE_CPU_ONLY_INPUT_TENSORS"
ENVIRONMENT = "EXECUTION_ENV_PATH"


def model(source: str = PLAIN, config: str = "", file: str = "1/model.py") -> str:
    return f"-- demo/config.pbtxt --\n{IO}{config}\n-- demo/{file} --\n{source}"


def named(name: str) -> str:
    """A model in the file `name`."""
    return model(config=f'default_model_filename: "{name}"', file=f"1/{name}")


def indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def completing(text: str) -> str:
    """A model whose class has this beside `execute`."""
    return model(CLASS + text + EXECUTE)


def method(signature: str) -> str:
    body = "return object.__new__(cls)" if signature.startswith("__new__") else "..."
    return completing(f"    def {signature}: {body}\n")


def parameter(key: str, value: str) -> str:
    return f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'


def warm(largest: int, batch: int) -> str:
    """A model that answers, with a warm-up sample of so many items."""
    config = f"""max_batch_size: {largest}
model_warmup {{ name: "x" batch_size: {batch}
  inputs {{ key: "a" value {{ data_type: TYPE_FP32 dims: [4] zero_data: true }} }} }}"""
    return model(ANSWERING, config)


LOADS = {
    "a file in a sub-folder": named("src/model.py"),
    "a class where the file is imported": model(
        f'if __name__ == "__main__":\n    pass\nelse:\n{indented(PLAIN)}'
    ),
    "a function of that name": model(
        f"class A:\n{EXECUTE}def TritonPythonModel():\n    return A()\n"
    ),
    "a class that a function makes global": model(
        f"def f():\n    global TritonPythonModel\n{indented(PLAIN)}\nf()\n"
    ),
    "a class put into globals()": model(f"class A:\n{EXECUTE}globals()['TritonPythonModel'] = A\n"),
    "a config from a lambda": completing("    auto_complete_config = staticmethod(lambda c: c)\n"),
    "a decorated initialize": model(
        "def d(f):\n    return lambda self, args: None\n"
        f"{CLASS}    @d\n    def initialize(self): ...\n{EXECUTE}"
    ),
    "execute without requests": model(f"{CLASS}    def execute(self): ...\n"),
}
LOADS |= {
    "a file with a dash": named("my-model.py"),
    "a file called like a word of Python": named("class.py"),
    "tensors on the CPU": model(config=parameter(CPU_ONLY, "no")),
    "no environment": model(config=parameter(ENVIRONMENT, "")),
    "an environment in a folder": model(
        config=parameter(ENVIRONMENT, "$$TRITON_MODEL_DIRECTORY/env")
    )
    + "-- demo/env/bin/activate --\n\n",
    "a version below zero beside another": model(PLAIN, "", "-1/model.py")
    + f"-- demo/1/model.py --\n{PLAIN}",
    "a warm-up of one item": warm(0, 1),
    "a warm-up of a whole batch": warm(2, 2),
}
# Tried once on Triton 2.51, which loads them.
TRIED = {
    "a file two folders down": named("aa/cc/model.py"),
    "a module with __getattr__": model(f"class A:\n{EXECUTE}def __getattr__(n):\n    return A\n"),
    "a class in a loop": model(f"while True:\n{indented(PLAIN)}\n    break\n"),
    "a class in a match": model(f"match 1:\n  case 1:\n{indented(PLAIN)}\n"),
    "an assignment expression": model(f"class A:\n{EXECUTE}(TritonPythonModel := A)\n"),
    "initialize with a default": method("initialize(self, args, extra=1)"),
    "initialize with any arguments": method("initialize(*args)"),
    "a static initialize": model(
        f"{CLASS}    @staticmethod\n    def initialize(a): ...\n{EXECUTE}"
    ),
    "initialize twice, the second right": model(
        f"{CLASS}    def initialize(self): ...\n    def initialize(self, args): ...\n{EXECUTE}"
    ),
    "an asynchronous initialize": model(
        f"{CLASS}    async def initialize(self, a): ...\n{EXECUTE}"
    ),
    "an __init__ with a default": method("__init__(self, args=None)"),
    "finalize with an argument": method("finalize(self, x)"),
}


@pytest.mark.parametrize("case", LOADS)
def test_both_load(case: str, triton: Triton) -> None:
    files = files_of(LOADS[case])
    verdict = triton.judge(files, "demo")
    assert verdict.accepted, verdict.message
    assert our_errors(files, "demo", Settings()) == ()


@pytest.mark.parametrize("case", TRIED)
def test_we_find_no_error(case: str) -> None:
    assert our_errors(files_of(TRIED[case]), "demo", Settings()) == ()


SILENT = "no answer"
NO_CLASS = "has no attribute 'TritonPythonModel'"
NO_CONFIG = "must return a valid pb.ModelConfig object"
STATIC = "    @staticmethod\n    def auto_complete_config(c):\n        "
# The model, Triton's message, and the code of our finding.
REFUSED = {
    "a class in a function": (model(f"def f():\n{indented(PLAIN)}"), NO_CLASS, "Y002"),
    "a class in a class": (model(f"class A:\n{indented(PLAIN)}"), NO_CLASS, "Y002"),
    "a class for scripts alone": (
        model(f'if __name__ == "__main__":\n{indented(PLAIN)}'),
        NO_CLASS,
        "Y002",
    ),
    "a class for type checkers alone": (
        model(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n{indented(PLAIN)}"),
        NO_CLASS,
        "Y002",
    ),
    "an annotation": (model("TritonPythonModel: int\n"), NO_CLASS, "Y002"),
    "a class that is deleted": (model(f"{PLAIN}del TritonPythonModel\n"), NO_CLASS, "Y002"),
    "a class that is defined again": (
        model(f"{PLAIN}{CLASS}    def initialize(self): ...\n"),
        "takes 1 positional argument but 2 were given",
        "Y005",
    ),
    "a config of None": (completing(f"{STATIC}return None\n"), NO_CONFIG, "Y004"),
    "a config of a literal": (completing(f"{STATIC}return {{}}\n"), NO_CONFIG, "Y004"),
    "a config of an inner function": (
        completing(f"{STATIC}def f():\n            return c\n"),
        NO_CONFIG,
        "Y004",
    ),
    "a config that is awaited": (
        completing(f"{STATIC}return c\n".replace("def", "async def")),
        NO_CONFIG,
        "Y004",
    ),
    "a config that is generated": (completing(f"{STATIC}yield c\n"), NO_CONFIG, "Y004"),
    "no config but an exception": (
        completing(f"{STATIC}raise ValueError('x')\n"),
        "ValueError: x",
        "Y004",
    ),
    "a config with a keyword": (
        completing(f"{STATIC}return c\n".replace("(c)", "(c, *, x)")),
        "missing 1 required keyword-only argument",
        "Y004",
    ),
    "initialize without args": (method("initialize(self)"), "but 2 were given", "Y005"),
    "initialize with two": (method("initialize(self, args, x)"), "missing 1 required", "Y005"),
    "initialize by keyword": (method("initialize(self, *, args)"), "but 2 were given", "Y005"),
    "initialize under a condition": (
        model(f"{CLASS}    if True:\n        def initialize(self): ...\n{EXECUTE}"),
        "but 2 were given",
        "Y005",
    ),
    "__init__ with an argument": (method("__init__(self, args)"), "missing 1 required", "Y005"),
    **{
        f"the file name {name}": (named(name), message, "Y006")
        for name, message in (
            ("model.txt", "Model name must end with '.py'"),
            ("MODEL.PY", "Model name must end with '.py'"),
            ("v1.model.py", "No module named '1.v1'"),
            ("1.py", "'1' is not a package"),
            ("./model.py", "No module named '.'"),
            ("src.d/model.py", "No module named 'src'"),
            ("src/src.py", "'src' is not a package"),
            ("json/model.py", "No module named 'json.model'"),
            ("a b.py", SILENT),
            ("a$b.py", SILENT),
        )
    },
    "a file above the version": (
        model(config='default_model_filename: "../model.py"', file="model.py") + "-- demo/1/ --\n",
        "No module named '.'",
        "F019",
    ),
    "a folder": (
        f"-- demo/config.pbtxt --\n{IO}-- demo/1/model.py/ --\n",
        "No module named '1.model'",
        "Y006",
    ),
    "a file called like the version": (
        model() + "-- demo/1/1.py --\nx = 1\n",
        "'1' is not a package",
        "Y006",
    ),
    "tensors on the CPU, another word": (
        model(config=parameter(CPU_ONLY, "true")),
        "Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS",
        "Y007",
    ),
    "tensors on the CPU, no word": (
        model(config=f'parameters {{ key: "{CPU_ONLY}" value {{}} }}'),
        "Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS",
        "Y007",
    ),
    "an environment beside the server": (
        model(config=parameter(ENVIRONMENT, "env.tar.gz")) + "-- demo/env.tar.gz = archive --\n",
        "Failed to get the canonical path for env.tar.gz",
        "B011",
    ),
    "an environment that is no archive": (
        model(config=parameter(ENVIRONMENT, "$$TRITON_MODEL_DIRECTORY/env.tar.gz"))
        + "-- demo/env.tar.gz --\nxyz\n",
        "archive_read_open_filename() failed",
        "B011",
    ),
    "an environment without activate": (
        model(config=parameter(ENVIRONMENT, "$$TRITON_MODEL_DIRECTORY/env")) + "-- demo/env/ --\n",
        "should contain an 'activate' script",
        "B011",
    ),
    "a warm-up over the batch": (warm(2, 4), "max allowed is 2", "W006"),
    "a warm-up of two items without a batch": (warm(0, 2), "max allowed is 0", "W006"),
    "a version below zero": (model(PLAIN, "", "-5/model.py"), SILENT, "L003"),
    "__new__ with an argument": (method("__new__(cls, args)"), "missing 1 required", "Y005"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse(case: str, triton: Triton) -> None:
    text, message, code = REFUSED[case]
    files = files_of(text)
    verdict = triton.judge(files, "demo", timeout_s=3 if message == SILENT else 30)
    assert not verdict.accepted
    assert message in verdict.message
    assert code in {error.code for error in our_errors(files, "demo", Settings())}
