"""A server in whose process a kernel writes out of bounds as soon as a line comes on stdin.

    python -m tests.serve.backends.tensorrt.faulting_server REPO exit|stay PORT

The kernel is started beside the server, in the GPU's primary context that TensorRT uses as well: as
a plugin's would be. Nothing in the server knows of it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

from trtserve.running import run
from trtserve.settings import Settings

from trtbuild.cuda import lasting_context

PTX = b""".version 7.0
.target sm_70
.address_size 64
.visible .entry wild() {
    .reg .u64 %address;
    .reg .u32 %value;
    mov.u64 %address, 8;
    mov.u32 %value, 1;
    st.global.u32 [%address], %value;
    ret;
}
\0"""


def write_out_of_bounds() -> None:
    """Start the kernel; whoever waits for the GPU next hears of it."""
    lasting_context(0).use()
    driver = ctypes.CDLL("libcuda.so.1")
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    assert driver.cuModuleLoadData(ctypes.byref(module), PTX) == 0
    assert driver.cuModuleGetFunction(ctypes.byref(function), module, b"wild") == 0
    assert driver.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, None, None, None) == 0
    print("launched", flush=True)


def _wait() -> None:
    if sys.stdin.readline():
        write_out_of_bounds()


def main() -> int:
    """Serve until the server ends; returns its exit code."""
    repository, gpu_fault, port = sys.argv[1:]
    threading.Thread(target=_wait, daemon=True).start()
    return run(
        Settings(
            repositories=(Path(repository),),
            gpu_fault="stay" if gpu_fault == "stay" else "exit",
            http_port=int(port), grpc_port=-1, metrics_port=-1,
        )
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
