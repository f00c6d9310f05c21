"""A seccomp filter (Linux, x86-64 and aarch64) that refuses what a renderer never needs; the rest of the kernel stays open.

Refused with an error rather than a kill: an image codec that asks for its number of CPUs must not cost the page. Threads are
allowed (AVIF decodes with them), processes are not; files may be opened for reading only.
Source: linux/seccomp.h, linux/filter.h, asm/unistd_64.h, asm-generic/unistd.h.
"""

import ctypes
import errno
import os
import platform
import re
import struct
import sys
from typing import NamedTuple

_LD_W_ABS, _JEQ, _JSET, _RET = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1, _ARG2 = 0, 4, 16, 24, 32  # offsets in struct seccomp_data; little endian, low words
_SET_MODE_FILTER, _FILTER_FLAG_TSYNC = 1, 1
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


_NUMBERS = """
socket 41 198       connect 42 203      accept 43 202       accept4 288 242     sendto 44 206       sendmsg 46 211
sendmmsg 307 269    bind 49 200         listen 50 201       socketpair 53 199
fork 57 -           vfork 58 -          execve 59 221       execveat 322 281
kill 62 129         tkill 200 130       rt_sigqueueinfo 129 138                 rt_tgsigqueueinfo 297 240
ptrace 101 117      process_vm_readv 310 270                process_vm_writev 311 271
pidfd_open 434 434  pidfd_send_signal 424 424               pidfd_getfd 438 438 kcmp 312 272
truncate 76 45      ftruncate 77 46     rename 82 -         renameat 264 38     renameat2 316 276   creat 85 -
mkdir 83 -          mkdirat 258 34      rmdir 84 -          unlink 87 -         unlinkat 263 35     mknod 133 -
mknodat 259 33      link 86 -           linkat 265 37       symlink 88 -        symlinkat 266 36
chmod 90 -          fchmod 91 52        fchmodat 268 53     fchmodat2 452 452   chown 92 -          fchown 93 55
lchown 94 -         fchownat 260 54     setxattr 188 5      lsetxattr 189 6     fsetxattr 190 7     utime 132 -
utimes 235 -        futimesat 261 -     utimensat 280 88
setrlimit 160 164   mount 165 40        umount2 166 39      unshare 272 97      setns 308 268       chroot 161 51
pivot_root 155 41   bpf 321 280         perf_event_open 298 241                 memfd_create 319 279
userfaultfd 323 282 add_key 248 217     request_key 249 218 keyctl 250 219
io_uring_setup 425 425                  io_uring_enter 426 426                  io_uring_register 427 427
init_module 175 105 finit_module 313 273                    shmget 29 194       shmat 30 196        shmctl 31 195
"""
"""What is refused: name, number on x86-64, number on aarch64 (- where it has none)."""
_ENTRIES = re.findall(r"\w+ (\d+) (\d+|-)", _NUMBERS)
_ABSENT = (435, 437)
"""clone3 and openat2 hide their flags behind a pointer: unknown here, so that glibc falls back to clone and openat."""


class _Machine(NamedTuple):
    audit_arch: int
    refused: list[int]
    clone: int
    tgkill: int
    prlimit64: int
    seccomp: int
    opens: list[tuple[int, int]]
    """(number, offset of its flags)"""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, [int(entry[0]) for entry in _ENTRIES], 56, 234, 302, 317, [(2, _ARG1), (257, _ARG2)]),
    "aarch64": _Machine(0xC00000B7, [int(entry[1]) for entry in _ENTRIES if entry[1] != "-"], 220, 131, 261, 277, [(56, _ARG2)]),
}


def deny_dangerous_syscalls() -> bool:
    """Install the filter for this process for good. False where there is none for this platform, or the kernel refuses it.

    PR_SET_NO_NEW_PRIVS must be set. All threads get it, also those that libraries started at import (six, here), and later ones.
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


def _program(machine: _Machine) -> bytes:
    """Straight-line BPF: each test either returns or falls through to the next (jumps are at most 5 instructions)."""

    def op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    def refuse(number: int = errno.EPERM) -> bytes:
        return op(_RET, _ERRNO | number)

    load_number = op(_LD_W_ABS, _NR)
    parts = [op(_LD_W_ABS, _ARCH), op(_JEQ, machine.audit_arch, 1, 0), refuse(), load_number]
    if machine.audit_arch == 0xC000003E:
        parts += [op(_JSET, 0x40000000, 0, 1), refuse()]  # the x32 numbering would slip past the numbers below
    for number in machine.refused:
        parts += [op(_JEQ, number, 0, 1), refuse()]
    for number in _ABSENT:
        parts += [op(_JEQ, number, 0, 1), refuse(errno.ENOSYS)]
    # a thread is allowed, a process is not
    parts += [op(_JEQ, machine.clone, 0, 3), op(_LD_W_ABS, _ARG0), op(_JSET, _CLONE_THREAD, 1, 0), refuse(), load_number]
    # abort() signals its own process; nobody else's
    parts += [op(_JEQ, machine.tgkill, 0, 3), op(_LD_W_ABS, _ARG0), op(_JEQ, os.getpid(), 1, 0), refuse(), load_number]
    # limits may be read (new_limit is NULL, both words of it), not set: root could raise them
    parts += [op(_JEQ, machine.prlimit64, 0, 5), op(_LD_W_ABS, _ARG2), op(_JEQ, 0, 0, 2), op(_LD_W_ABS, _ARG2 + 4)]
    parts += [op(_JEQ, 0, 1, 0), refuse(), load_number]
    for number, flags in machine.opens:
        parts += [op(_JEQ, number, 0, 3), op(_LD_W_ABS, flags), op(_JSET, _WRITING, 0, 1), refuse(errno.EACCES), load_number]
    return b"".join([*parts, op(_RET, _ALLOW)])
