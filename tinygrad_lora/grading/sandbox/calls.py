"""System calls that no submission needs: refused, whatever runs in its process. A filter of the kernel (seccomp).

Some take what no other limit counts, such as the shared memory of System V. Sockets of some kinds, such as those to
the host of a virtual machine, know no namespace. The others are where kernels had holes.
"""

import ctypes
import errno
import platform
import struct
import sys

# By machine: the number of its architecture, and those of the calls.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_CALLS = {
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "open_tree": (428, 428), "fsopen": (430, 430), "chroot": (161, 51), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "kexec_load": (246, 104), "init_module": (175, 105),
    "open_by_handle_at": (304, 265), "pidfd_getfd": (438, 438), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "syslog": (103, 116),
}  # fmt: skip
_LOAD, _EQUAL, _ABOVE, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_FIRST_OF_X32 = 0x40000000  # the other calls of x86_64, by another numbering
_SECCOMP, _FILTER = 22, 2


def refuse() -> None:
    """Refuse these calls from now on, in this process. On other machines it does nothing: there the rest must do."""
    if platform.machine() not in _MACHINES or sys.maxsize < 2**32:
        return
    architecture, column = _MACHINES[platform.machine()]
    numbers = [numbers[column] for numbers in _CALLS.values()]
    n = len(numbers)
    program = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0), (_ABOVE, n + 1, 0, _FIRST_OF_X32),
        *((_EQUAL, n - i, 0, number) for i, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SECCOMP, _FILTER, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")
