"""What a TorchScript file says: the arguments of its `forward`, by its source code in the archive.

Nothing is unpickled or run: the class's name is found among the pickle's opcodes, its code is
parsed as Python.
"""

from __future__ import annotations

import ast
import pickletools
import zipfile
from pathlib import Path

from trtbuild.validate.modelfiles.interface import DamagedFileError

_MAX_BYTES = 16 << 20  # of a code file or pickle that is looked at


def forward_arguments(path: Path) -> tuple[str, ...] | None:
    """The names of `forward`'s arguments, without self; None where they cannot be told.

    Raises `DamagedFileError` for a file that is no archive of PyTorch.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            data = next((name for name in names if name.endswith("/data.pkl")), None)
            if data is None:
                raise DamagedFileError("it is no archive that torch.jit.save wrote: no data.pkl")
            return _arguments(archive, data)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise DamagedFileError(f"it is no TorchScript file or was cut off: {error}") from None


def _arguments(archive: zipfile.ZipFile, data: str) -> tuple[str, ...] | None:
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


def _of_code(code: bytes, name: str) -> tuple[str, ...] | None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, RecursionError):  # TorchScript's own spellings that Python lacks
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "forward":
                    return tuple(argument.arg for argument in item.args.args[1:])
    return None
