"""The tree, the imports and docs/design.md say the same."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "trtbuild").rglob("*.py")
    if path.name != "__init__.py" or path.stat().st_size > 200
)

# Modules without a test file of their own, each with the reason.
TESTED_ELSEWHERE = {
    "trtbuild/__init__.py": "one function, called by tests/test_pipeline.py",
    "trtbuild/__main__.py": "one call, made by tests/cli/test_app.py",
    "trtbuild/check_report.py": "values, made and read in tests/plan/test_check.py",
    "trtbuild/modelconfig/options.py": "a value, used in tests/modelconfig/test_derive.py",
}
# Folders whose files are all tested by one table of cases, each a real file with its snapshot.
TESTED_BY_TABLE = ("trtbuild/validate/rules/",)

WORDS = {
    "errors", "foreign", "tensor", "capability", "bound", "registry", "artifacts", "device",
    "store", "cache_folder", "folder_lock", "store_entry", "temporary", "workers",
    "tensorfile", "protowire", "onnx_files", "onnx_model", "onnx_ops", "onnx_weights",
    "onnx_session", "onnx_write", "samples", "request", "columns",
    "cuda_driver", "cuda", "cuda_timing",
    "plugins", "plugin_files", "plugin_registry", "users_code", "weights_file", "network_model",
    "engine_from_plan", "tensorrt_log", "printable", "check_report",
}  # fmt: skip
STAGES = {"sources", "surgery", "plan", "verify", "modelconfig", "repository", "validate"}
# What each part may import besides the words: one way, so that a stage can be read alone.
MAY_IMPORT = {
    "modelconfig": set(),
    "repository": {"modelconfig"},
    "validate": {"repository", "modelconfig", "plan"},  # plan: the header of a plan file
}
HEAVY = {
    "numpy", "onnx", "onnx_graphsurgeon", "onnxruntime", "tensorflow", "torch", "tensorrt",
    "tensorrt_rtx", "tf2onnx", "keras", "grpc", "matplotlib",
}  # fmt: skip


def file_that_tests(module: Path) -> Path:
    parts = module.relative_to("trtbuild")
    stem = parts.parent.name if parts.name == "__init__.py" else parts.stem
    return ROOT / "tests" / parts.parent / f"test_{stem}.py"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_its_test_file(module: Path) -> None:
    elsewhere = str(module) in TESTED_ELSEWHERE or str(module).startswith(TESTED_BY_TABLE)
    assert file_that_tests(module).exists() or elsewhere


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_one_way(module: Path) -> None:
    part = module.parts[1].removesuffix(".py")
    for name in imports(ROOT / module):
        if not name.startswith("trtbuild."):
            continue
        other = name.split(".")[1]
        if part in WORDS:
            assert other in WORDS, f"a word imports {name}"
        elif part in STAGES and other in STAGES - {part}:
            assert other in MAY_IMPORT.get(part, set()), f"stage {part} imports {name}"
        elif part in STAGES:
            assert other in WORDS | {part, "__version__"}, f"stage {part} imports {name}"
        rim = part in ("cli", "__main__")
        assert other != "cli" or rim, "only the command line knows the command line"


# What a plan file says of itself, and which runtimes are installed: one reader for both times.
SHARED_WITH_SERVE = {"trtbuild.plan.header", "trtbuild.plan.runtimes"}
SERVE = sorted((ROOT / "serve/trtserve").rglob("*.py"))


@pytest.mark.parametrize("path", SERVE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_run_time_knows_little_of_the_build_time(path: Path) -> None:
    for name in imports(path):
        if name.startswith("trtbuild."):
            part, module = name.split(".")[1], name.rpartition(".")[0]
            known = part in WORDS | {"repository", "modelconfig", "__version__"}
            assert known or module in SHARED_WITH_SERVE, name


def test_the_build_time_starts_the_run_time_in_one_place() -> None:
    users = {str(m) for m in MODULES for name in imports(ROOT / m) if name.startswith("trtserve")}
    assert users == {"trtbuild/cli/serve.py"}


# Each heavy or replaceable dependency has one place that knows it.
OWNERS = {
    "rich": ("trtbuild/cli/render.py",),
    "matplotlib": ("trtbuild/bench_plot.py",),
    "tensorflow": ("trtbuild/sources/",),
    "keras": ("trtbuild/sources/keras_file.py",),
    "tf2onnx": ("trtbuild/sources/tf_export.py",),
    "torch": ("trtbuild/sources/",),
    "onnxscript": ("trtbuild/sources/",),
    "onnx_graphsurgeon": ("trtbuild/surgery/",),
    "onnxruntime": ("trtbuild/onnx_session.py", "serve/trtserve/backends/onnxruntime/"),
    "tensorrt": (),  # a worker imports the runtime that it is told to, by name
    "tensorrt_rtx": (),
    "tritonclient": (),  # its schema is loaded as a file, without its packages
    "grpc": (),
    "uvloop": ("serve/trtserve/running.py",),
    "httptools": ("serve/trtserve/protocols/http1_head.py",),
    "hpack": ("serve/trtserve/protocols/headers.py",),
}


@pytest.mark.parametrize("dependency", OWNERS)
def test_a_dependency_is_imported_by_its_owner_alone(dependency: str) -> None:
    files = [*(ROOT / module for module in MODULES), *SERVE]
    users = {
        str(path.relative_to(ROOT))
        for path in files
        for name in imports(path)
        if name.split(".")[0] == dependency
    }
    assert {user for user in users if not user.startswith(OWNERS[dependency])} == set()


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_the_parent_process_imports_nothing_heavy() -> None:
    loaded = modules_after("import trtbuild.cli, trtbuild.pipeline, trtbuild.cli.render")
    assert not loaded & HEAVY


def test_the_design_page_shows_the_tree() -> None:
    tree = re.search(r"    trtbuild/\n((?:      .*\n)+)", (ROOT / "docs/design.md").read_text())
    assert tree is not None
    shown = {
        word.removesuffix("/").removesuffix(".py")
        for line in tree[1].splitlines()
        for word in re.split(r"\s{2,}", line.strip())[0].replace("(.py)", "").split()
    }
    there = {
        path.stem
        for path in (ROOT / "trtbuild").iterdir()
        if not path.name.startswith("__") and path.name != "py.typed"
    }
    assert shown == there
