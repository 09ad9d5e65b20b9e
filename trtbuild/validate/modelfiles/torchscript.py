"""What a TorchScript file says: the arguments of its `forward`, by its source code in the archive.

Nothing is unpickled or run: the class's name is found among the pickle's opcodes, its code is
parsed as Python.
"""

from __future__ import annotations

import ast
import pickletools
import zipfile
from pathlib import Path
from typing import NamedTuple

from trtbuild.validate.modelfiles.archive import opened
from trtbuild.validate.modelfiles.interface import DamagedFileError, remembered

_MAX_BYTES = 16 << 20  # of a code file or pickle that is looked at


class Call(NamedTuple):
    """How a TorchScript file's `forward` is called."""

    arguments: tuple[str, ...]  # without self
    takes_dictionary: bool  # its one argument is a Dict[str, Tensor]


@remembered
def forward_call(path: Path) -> Call | None:
    """What `forward` takes; None where it cannot be told.

    Raises `DamagedFileError` for a file that is no archive of PyTorch.
    """
    with opened(path, "TorchScript file") as archive:
        names = archive.namelist()
        data = next((name for name in names if name.endswith("/data.pkl")), None)
        if data is None:
            raise DamagedFileError("it is no archive that torch.jit.save wrote: no data.pkl")
        return _arguments(archive, data)


def _arguments(archive: zipfile.ZipFile, data: str) -> Call | None:
    if archive.getinfo(data).file_size > _MAX_BYTES:
        return None
    root = next(
        (
            str(argument).replace(" ", ".")
            for opcode, argument, _ in pickletools.genops(archive.read(data))
            if opcode.name == "GLOBAL" and str(argument).startswith("__torch__")
        ),
        None,
    )
    if root is None:
        return None
    module, _, name = root.rpartition(".")
    file = f"{data.removesuffix('data.pkl')}code/{module.replace('.', '/')}.py"
    if file not in archive.namelist() or archive.getinfo(file).file_size > _MAX_BYTES:
        return None
    return _of_code(archive.read(file), name)


def _of_code(code: bytes, name: str) -> Call | None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, RecursionError):  # TorchScript's own spellings that Python lacks
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "forward":
                    given = item.args.args[1:]
                    types = [ast.unparse(a.annotation) if a.annotation else "" for a in given]
                    dictionary = len(types) == 1 and types[0].startswith("Dict[")
                    return Call(tuple(argument.arg for argument in given), dictionary)
    return None
