"""A seccomp filter (Linux, x86-64 and aarch64) that allows the system calls that a renderer needs and refuses all others.

A refused call gets an error instead of a kill, because an image codec that asks for the number of CPUs must not cost the page.
Threads are allowed, because AVIF decodes with them, and processes are not. Files may be opened for reading only. No memory may
become executable, because all libraries are loaded by then. Source: linux/seccomp.h, linux/filter.h, asm/unistd_64.h,
asm-generic/unistd.h.
"""

import ctypes
import errno
import os
import platform
import re
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_LD_W_ABS, _AND, _JEQ, _JSET, _RET = 0x20, 0x54, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NR, _ARCH = 0, 4  # offsets in struct seccomp_data
_SET_MODE_FILTER, _FILTER_FLAG_TSYNC = 1, 1
_REFUSED = _ERRNO | errno.EPERM
OTHERWISE = _REFUSED
"""The filter's answer to a call that is not listed."""

_LISTED = """
read 0 63           readv 19 65         pread64 17 67       preadv 295 69       lseek 8 62          close 3 57
write 1 64          writev 20 66        dup 32 23
fstat 5 80          newfstatat 262 79   stat 4 -            lstat 6 -           statx 332 291       fstatfs 138 44
access 21 -         faccessat 269 48    faccessat2 439 439  readlink 89 -       readlinkat 267 78   getdents64 217 61
getcwd 79 17        fadvise64 221 223   poll 7 -            ppoll 271 73        select 23 -         pselect6 270 72
brk 12 214          munmap 11 215       mremap 25 216
rseq 334 293        set_robust_list 273 99                  exit 60 93          exit_group 231 94
sched_yield 24 124  sched_getaffinity 204 123               getcpu 309 168      membarrier 324 283
rt_sigaction 13 134 rt_sigprocmask 14 135                   rt_sigreturn 15 139 sigaltstack 131 132 restart_syscall 219 128
clock_gettime 228 113                   clock_getres 229 114                    clock_nanosleep 230 115
nanosleep 35 101    gettimeofday 96 169 time 201 -          times 100 153       getrusage 98 165
setitimer 38 103    getitimer 36 102
getpid 39 172       gettid 186 178      getppid 110 173     getuid 102 174      geteuid 107 175     getgid 104 176
getegid 108 177     getrlimit 97 163    sysinfo 99 179      uname 63 160        getrandom 318 278
"""
"""Name, number on x86-64, number on aarch64 (- if it has none). Calls that are allowed with some arguments are in `_conditions`."""
_ABSENT = (435, 437)
"""clone3 and openat2 have their flags behind a pointer. They are reported as unknown, so that glibc uses clone and openat."""

_CLONE_THREAD, _CLONE_NEW = 0x10000, 0x7E020000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PROT_EXEC = 4
_FUTEX_OPERATION = 0x7F
_FUTEXES = (0, 1, 3, 4, 5, 9, 10)
"""Waiting and waking. Operations with priority inheritance are left out: nothing here uses them, and attackers have used them."""
_FCNTLS = (0, 1, 2, 3, 1030)
"""Duplicate a descriptor, read and set its flags, read the file's flags."""
_IOCTLS = (0x5401, 0x802C542A, 0x5451)
"""TCGETS and TCGETS2 (whether it is a terminal), FIOCLEX."""
_PRCTLS = (15, 16)
"""Set and get the name of a thread."""
_HARMFUL_ADVICE = (100, 101)
"""MADV_HWPOISON and MADV_SOFT_OFFLINE take memory away from the whole machine."""


class _Machine(NamedTuple):
    audit_arch: int
    column: int
    """Column of the call's number in `_LISTED`, from 0."""
    seccomp: int
    open: int | None


_MACHINES = {"x86_64": _Machine(0xC000003E, 0, 317, 2), "aarch64": _Machine(0xC00000B7, 1, 277, None)}


def allow_listed_syscalls() -> bool:
    """Installs the filter for this process for good. False if there is none for this platform, or the kernel refuses it.

    PR_SET_NO_NEW_PRIVS must be set. The filter holds for all threads: those that libraries have started at import (six here), and
    later ones.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    code = _program(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("H6xQ", len(code) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.c_void_p(ctypes.addressof(program))
    return bool(libc.syscall(machine.seccomp, _SET_MODE_FILTER, _FILTER_FLAG_TSYNC, address) == 0)


def numbers(machine: str) -> tuple[set[int], set[int]]:
    """(calls that are always allowed, calls that are allowed with some arguments)."""
    known = _MACHINES[machine]
    return set(_listed(known)), {number for number, _ in _conditions(known)}


def _listed(machine: _Machine) -> list[int]:
    entries = re.findall(r"\w+ (\d+|-) (\d+|-)", _LISTED)
    return [int(entry[machine.column]) for entry in entries if entry[machine.column] != "-"]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _argument(place: int, *, high: bool = False) -> bytes:
    """The instruction that loads the lower or upper 32 bits of an argument; little endian."""
    return _op(_LD_W_ABS, 16 + 8 * place + 4 * high)


def _refuse(number: int = errno.EPERM) -> bytes:
    return _op(_RET, _ERRNO | number)


_LET = _op(_RET, _ALLOW)


def _conditions(machine: _Machine) -> list[tuple[int, Sequence[bytes]]]:
    """(number, instructions) of the calls whose arguments are checked. The instructions end by allowing or refusing the call."""

    def pick(on_x86: int, on_arm: int) -> int:
        return (on_x86, on_arm)[machine.column]

    def opens(flags: int) -> Sequence[bytes]:
        return [_argument(flags), _op(_JSET, _WRITING, 0, 1), _refuse(errno.EACCES), _LET]

    no_code = [_argument(2), _op(_JSET, _PROT_EXEC, 0, 1), _refuse(), _LET]
    return [
        (pick(202, 98), [_argument(1), _op(_AND, _FUTEX_OPERATION), *_one_of(_FUTEXES)]),
        (pick(257, 56), opens(2)),
        *([(machine.open, opens(1))] if machine.open is not None else []),
        (pick(9, 222), no_code),  # mmap
        (pick(10, 226), no_code),  # mprotect
        (pick(28, 233), [_argument(2), *_none_of(_HARMFUL_ADVICE)]),  # madvise
        (pick(16, 29), [_argument(1), *_one_of(_IOCTLS)]),
        (pick(72, 25), [_argument(1), *_one_of(_FCNTLS)]),
        (pick(157, 167), [_argument(0), *_one_of(_PRCTLS)]),
        # A thread is allowed, a process is not, and no thread in new namespaces.
        (pick(56, 220), [_argument(0), _op(_JSET, _CLONE_NEW, 1, 0), _op(_JSET, _CLONE_THREAD, 1, 0), _refuse(), _LET]),
        # abort() signals its own process; signals to others are refused.
        (pick(234, 131), [_argument(0), *_one_of((os.getpid(),))]),
        # Limits may be read (both words of new_limit are 0) and not set, because root could raise them.
        (
            pick(302, 261),
            [_argument(2), _op(_JEQ, 0, 0, 2), _argument(2, high=True), _op(_JEQ, 0, 1, 0), _refuse(), _LET],
        ),
    ]


def _one_of(values: Iterable[int]) -> list[bytes]:
    return [*(part for value in values for part in (_op(_JEQ, value, 0, 1), _LET)), _refuse()]


def _none_of(values: Iterable[int]) -> list[bytes]:
    return [*(part for value in values for part in (_op(_JEQ, value, 0, 1), _refuse())), _LET]


def _program(machine: _Machine) -> bytes:
    """The filter as straight-line BPF: each test returns or falls through to the next. The kernel runs it once for each listed call
    and remembers that the call is allowed whatever its arguments (Linux 5.11)."""
    parts = [_op(_LD_W_ABS, _ARCH), _op(_JEQ, machine.audit_arch, 1, 0), _refuse(), _op(_LD_W_ABS, _NR)]
    for number in _listed(machine):  # x32 calls of x86-64 have an extra bit in their numbers, so they match none of these
        parts += [_op(_JEQ, number, 0, 1), _LET]
    for number in _ABSENT:
        parts += [_op(_JEQ, number, 0, 1), _refuse(errno.ENOSYS)]
    for number, condition in _conditions(machine):  # each condition ends with a return
        parts += [_op(_JEQ, number, 0, len(condition)), *condition]
    return b"".join([*parts, _op(_RET, OTHERWISE)])
