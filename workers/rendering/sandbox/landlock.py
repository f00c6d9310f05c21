"""Limits the files that a process may read, by Landlock (Linux 5.13 and later). All other files are refused for good.

Call it before there is a second thread, because it holds for the calling thread and for threads started later.
Source: linux/landlock.h, the kernel's userspace-api/landlock.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
EXECUTE = 1 << 0
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_HANDLED = (1 << 13) - 1
"""All accesses to files that Landlock's first version knows. Later ones (linking, truncating) need writing, which is refused."""


def is_available() -> bool:
    return sys.platform == "linux" and _syscall(_CREATE_RULESET, None, 0, _VERSION) >= 1


def read_only_below(places: Iterable[str], also: int = 0) -> bool:
    """Refuses every access to files except reading `places`: folders with all below them, or files. Missing places are left out.

    `also`: EXECUTE, for a process that becomes another program. False if the kernel has no Landlock, or has it switched off.
    Nothing is refused then.
    """
    if not is_available():
        return False
    handled = ctypes.create_string_buffer(struct.pack("Q", _HANDLED), 8)
    ruleset = _syscall(_CREATE_RULESET, handled, 8, 0)
    if ruleset < 0:
        return False
    try:
        for place in places:
            _allow(ruleset, place, also)
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
        return _syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: str, also: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        access = also | (_READ_FILE | _READ_DIR if os.path.isdir(place) else _READ_FILE)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, descriptor), 12)
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: object) -> int:
    """The result of a system call; -1 if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(libc.syscall(ctypes.c_long(number), *wide))
