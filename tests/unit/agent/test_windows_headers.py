"""Numbers, structures and functions of keyvault.agent.windows against the headers of mingw-w64, where a compiler has them.

`apt install gcc-mingw-w64-x86-64`, or `pip install ziglang`; else this is skipped.
"""

from __future__ import annotations

import ctypes
import subprocess
from ctypes import POINTER
from pathlib import Path
from typing import Any

import pytest
from wine_calls import COMPILER

from keyvault.agent import windows
from keyvault.store import access_list

if not COMPILER:
    pytest.skip("no compiler for Windows is installed", allow_module_level=True)

_NUMBERS = {
    "ERROR_ACCESS_DENIED": windows.ACCESS_DENIED,
    "ERROR_FILE_NOT_FOUND": windows.FILE_NOT_FOUND,
    "ERROR_BROKEN_PIPE": windows.BROKEN_PIPE,
    "ERROR_PIPE_BUSY": windows.PIPE_BUSY,
    "ERROR_NO_DATA": windows.NO_DATA,
    "ERROR_PIPE_CONNECTED": windows.PIPE_CONNECTED,
    "ERROR_OPERATION_ABORTED": windows.OPERATION_ABORTED,
    "ERROR_IO_PENDING": windows.IO_PENDING,
    "PIPE_ACCESS_DUPLEX|FILE_FLAG_FIRST_PIPE_INSTANCE|FILE_FLAG_OVERLAPPED": windows.OPEN_MODE,
    "PIPE_REJECT_REMOTE_CLIENTS|PIPE_TYPE_BYTE|PIPE_READMODE_BYTE|PIPE_WAIT": windows.PIPE_MODE,
    "GENERIC_READ|GENERIC_WRITE": windows.ACCESS,
    "OPEN_EXISTING": windows.OPEN_EXISTING,
    "FILE_FLAG_OVERLAPPED|SECURITY_SQOS_PRESENT|SECURITY_IDENTIFICATION": windows.FLAGS,
    "TOKEN_QUERY": windows.TOKEN_QUERY,
    "TokenUser": windows.TOKEN_USER,
    "OWNER_SECURITY_INFORMATION": windows.OWNER,
    "LABEL_SECURITY_INFORMATION": windows.LABEL,
    "SYSTEM_MANDATORY_LABEL_ACE_TYPE": access_list._LABEL,
    "SECURITY_MANDATORY_MEDIUM_RID": access_list.MEDIUM,
    "SE_SACL_PRESENT": access_list._LABELS_PRESENT,
    "offsetof(SECURITY_DESCRIPTOR_RELATIVE, Sacl)": 12,
    "offsetof(SYSTEM_MANDATORY_LABEL_ACE, SidStart)": access_list._ENTRY.size,
    "PROCESS_TERMINATE|PROCESS_QUERY_LIMITED_INFORMATION": windows.TO_END,
    "SDDL_REVISION_1": windows.SDDL_REVISION,
    "LOAD_LIBRARY_SEARCH_SYSTEM32": 0x800,
}
_STRUCTURES: dict[str, tuple[type[ctypes.Structure], list[str]]] = {
    "OVERLAPPED": (windows.Overlapped, ["Internal", "InternalHigh", "Offset", "OffsetHigh", "hEvent"]),
    "SECURITY_ATTRIBUTES": (windows.SecurityAttributes, ["nLength", "lpSecurityDescriptor", "bInheritHandle"]),
    "TOKEN_USER": (windows.TokenUser, ["User.Sid", "User.Attributes"]),
}
_TYPES: dict[Any, str] = {
    ctypes.c_void_p: "void*",
    ctypes.c_wchar_p: "wchar_t*",
    ctypes.c_int: "int",
    ctypes.c_uint32: "DWORD",
    ctypes.c_uint64: "ULONGLONG",
    POINTER(ctypes.c_uint32): "DWORD*",
    POINTER(ctypes.c_uint64): "ULONGLONG*",
    POINTER(ctypes.c_void_p): "void*",
    POINTER(windows.Overlapped): "OVERLAPPED*",
    POINTER(windows.SecurityAttributes): "SECURITY_ATTRIBUTES*",
}


def _checks() -> list[str]:
    found = [f"_Static_assert(({name}) == {value:#x}, {name!r});".replace("'", '"') for name, value in _NUMBERS.items()]
    for name, (structure, members) in _STRUCTURES.items():
        found.append(f'_Static_assert(sizeof({name}) == {ctypes.sizeof(structure)}, "{name}");')
        for member, (field, *_) in zip(members, structure._fields_, strict=True):
            offset = getattr(structure, field).offset
            found.append(f'_Static_assert(offsetof({name}, {member}) == {offset}, "{member}");')
    for functions in windows.FUNCTIONS.values():
        for name, (returns, *takes) in functions.items():
            called = f"{name}({', '.join(f'({_TYPES[kind]})0' for kind in takes)})"
            found.append(f'_Static_assert(sizeof({called}) == {ctypes.sizeof(returns)}, "{name}");')
    return found


def _compile(folder: Path, checks: list[str]) -> subprocess.CompletedProcess[str]:
    headers = ("windows.h", "sddl.h", "aclapi.h", "realtimeapiset.h", "stddef.h")
    source = folder / "checks.c"
    source.write_text(
        "#undef _WIN32_WINNT\n#define _WIN32_WINNT 0x0A00\n"
        + "".join(f"#include <{name}>\n" for name in headers)
        + "\n".join(checks)
    )
    command = [*COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", str(source), "-o", str(folder / "checks.o")]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def test_they_are_those_of_the_headers(tmp_path: Path) -> None:
    done = _compile(tmp_path, _checks())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wrong",
    ["ERROR_IO_PENDING == 996", "sizeof(CloseHandle((DWORD)1)) == 4", "sizeof(CloseHandle((void*)0, 0)) == 4"],
)
def test_a_slip_would_be_noticed(tmp_path: Path, wrong: str) -> None:
    done = _compile(tmp_path, [f'_Static_assert({wrong}, "");'])
    assert done.returncode != 0
    assert wrong.split(" ")[0].removeprefix("sizeof(") in done.stderr
