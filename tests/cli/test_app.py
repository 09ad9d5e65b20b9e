import json
import subprocess
import sys

from trtbuild.cli.app import app


def test_the_help_of_every_command_imports_nothing_heavy() -> None:
    heavy = {"numpy", "onnx", "onnxruntime", "tensorflow", "torch", "tensorrt_rtx", "uvloop"}
    code = (
        "import sys, json\n"
        "from typer.testing import CliRunner\n"
        "from trtbuild.cli.app import app\n"
        "names = [c.name for c in app.registered_commands]\n"
        "names += ['repo', 'cache']\n"
        "for name in names:\n"
        "    assert CliRunner().invoke(app, [name, '--help']).exit_code == 0, name\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & heavy


def test_every_command_has_a_help_line() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__


def test_python_m_trtbuild_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trtbuild", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("trtbuild 0.")


INTERRUPTED_IMPORT = """
import os, signal
from trtbuild.cli import app as cli

class Descriptor:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # a signal is handled between two steps of Python
            pass

def command(**options):
    class Made:
        member = Descriptor()

cli.app = command
cli.main()
"""


def test_a_signal_amid_an_import_is_no_bug() -> None:
    """Python before 3.12 makes a RuntimeError of whatever `__set_name__` raises."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (143, "interrupted\n")
