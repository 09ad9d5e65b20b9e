"""A worker process that may touch little: Landlock for files, seccomp for the network.

Both are entered by system calls and need no privileges: a process gives up rights for itself and
for whatever it starts, for good. The parent says which files a worker needs (`Sandbox`); what
Python and its libraries need is added here. Where the kernel has one of them not, the worker goes
on without it, and `trtbuild doctor` says so.

Sources: the kernel's Documentation/userspace-api/{landlock,seccomp_filter}.rst, and
include/uapi/linux/{landlock,seccomp,filter,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

# Landlock: system calls 444 to 446 on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1  # of ABI 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_BIND_AND_CONNECT = 3  # of TCP, from ABI 4 on
_SCOPES = 3  # abstract sockets and signals of processes outside, from ABI 6 on

# Seccomp: the numbers of system calls by machine. io_uring opens sockets without socket();
# the others reach into other processes of the same user.
_MACHINES = {
    "x86_64": (0xC000003E, {
        "socket": 41, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "io_uring_setup": 425, "pidfd_getfd": 438, "add_key": 248, "request_key": 249,
        "keyctl": 250, "bpf": 321,
    }),
    "aarch64": (0xC00000B7, {
        "socket": 198, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "io_uring_setup": 425, "pidfd_getfd": 438, "add_key": 217, "request_key": 218,
        "keyctl": 219, "bpf": 280,
    }),
}  # fmt: skip
_X32 = 0x40000000  # x86_64's other numbering of the same calls
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # of BPF
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_AF_UNIX = 1

# What Python, its libraries and the dynamic loader read besides the modules' own folders.
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives", "/sys", "/proc/self",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/filesystems",
    "/proc/sys", "/proc/loadavg", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
# CUDA's driver: its device files, and what it reads and maps besides.
_OF_GPUS = ("/dev/shm", "/dev/dri", "/dev/nvidia-caps", "/dev/dxg")  # noqa: S108 - shared memory
_READ_BY_GPUS = ("/proc", "/etc/nvidia", "/run/nvidia-persistenced", "/etc/vulkan", "/etc/OpenCL")


class Sandbox(msgspec.Struct, frozen=True):
    """What a worker may touch besides Python and its libraries."""

    read: tuple[str, ...] = ()  # files and folders
    write: tuple[str, ...] = ()  # folders, with all that is in them
    gpu: bool = False  # the devices of CUDA as well
    memory_bytes: int = 0  # of its own data; 0: as much as there is


class Support(msgspec.Struct, frozen=True):
    """What this machine has; "" and 0 where it has it not."""

    landlock: int  # the version of its ABI
    network: str  # what keeps the network away
    missing: tuple[str, ...]  # in words


def support() -> Support:
    """Ask the kernel; nothing changes."""
    abi = _landlock_abi()
    network = "seccomp" if _has_seccomp() else ("Landlock, TCP alone" if abi >= 4 else "")
    missing = []
    if not abi:
        missing.append("no Landlock (Linux 5.13 or later): a worker may read and write your files")
    elif abi < 3:
        missing.append("Landlock before Linux 6.2: a worker may cut your files short")
    if not network:
        missing.append(f"no seccomp for {platform.machine()}: a worker may use the network")
    return Support(abi, network, tuple(missing))


def enter(sandbox: Sandbox) -> None:
    """Give up everything else, in this process for good. Call it before any thread is started.

    Raises `OSError` where the kernel has the means and still refuses.
    """
    if sys.platform != "linux":
        return
    if sandbox.memory_bytes:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (sandbox.memory_bytes, sandbox.memory_bytes))
    _prctl(_NO_NEW_PRIVILEGES, 1)
    if abi := _landlock_abi():
        _restrict_files(sandbox, abi)
    if _has_seccomp():
        _restrict_calls(sandbox)


def _restrict_files(sandbox: Sandbox, abi: int) -> None:
    handled = _FIRST_RIGHTS
    for version, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        handled |= right if abi >= version else 0
    attributes = struct.pack(
        "QQQ", handled, _BIND_AND_CONNECT if abi >= 4 else 0, _SCOPES if abi >= 6 else 0
    )
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _call(_CREATE_RULESET, attributes, size, 0)
    try:
        everything = handled & ~_IOCTL_DEVICE
        _allow(ruleset, sandbox.write, everything)
        _allow(ruleset, ["/dev/null"], _READ_FILE | _WRITE_FILE | (handled & _TRUNCATE))
        _allow(ruleset, {*_SYSTEM, *_of_python(), *sandbox.read}, _READ)
        if sandbox.gpu:
            devices = [str(path) for path in Path("/dev").glob("nvidia*")]
            _allow(ruleset, [*_OF_GPUS, *devices], handled)
            _allow(ruleset, _READ_BY_GPUS, _READ)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _of_python() -> Iterable[str]:
    """Where this interpreter and its modules lie. The current folder is no such place."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix)
    yield str(Path(sys.executable).resolve().parent)
    yield from filter(None, sys.path)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    """Let `rights` through for each of `paths` that is there, and for all below it."""
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # not on this machine
        try:
            here = rights if Path(path).is_dir() else rights & _OF_FILES
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", here, opened), 0)
        finally:
            os.close(opened)


def _restrict_calls(sandbox: Sandbox) -> None:
    """A filter in BPF: `socket` and what reaches into other processes fail with EACCES."""
    machine, numbers = _MACHINES[platform.machine()]
    refuse = _ERRNO | errno.EACCES
    program = [
        (_LOAD, 0, 0, 4),  # the machine that the call is made for
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the call's number
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
    ]
    for name, number in numbers.items():
        if name == "socket" and sandbox.gpu:  # CUDA's driver talks to its services by AF_UNIX
            program += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, 16),  # the first argument: the address family
                (_EQUAL, 1, 0, _AF_UNIX),
                (_RETURN, 0, 0, refuse),
                (_RETURN, 0, 0, _ALLOW),
            ]
        else:
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    _prctl(_SET_SECCOMP, _FILTER, head)


def _has_seccomp() -> bool:
    """The kernel filters, and the numbers of this machine's system calls are known."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return False
    # A filter that is nowhere (EFAULT) tells a kernel that could set one from others (EINVAL).
    return _libc().prctl(_SET_SECCOMP, _FILTER, None, 0, 0) == -1 and (
        ctypes.get_errno() == errno.EFAULT
    )


def _landlock_abi() -> int:
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def _call(number: int, *arguments: int | bytes) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    done = int(_libc().syscall(ctypes.c_long(number), *words))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return done


def _prctl(option: int, value: int, more: bytes | None = None) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), more, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"the sandbox cannot be entered: {os.strerror(code)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
