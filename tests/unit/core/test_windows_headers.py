"""What is written for Windows against the headers of mingw-w64, where a compiler has them: numbers, structures and functions.

`apt install gcc-mingw-w64-x86-64`, or `pip install ziglang`; else most is skipped. C is made from the modules, and compiled.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from ctypes import POINTER
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import windows_files
from wine_calls import COMPILER

from keyvault.agent import pipe
from keyvault.core import windows_calls
from keyvault.store import access_list, files

needs_compiler = pytest.mark.skipif(not COMPILER, reason="no compiler for Windows is installed")
MACHINES = ["x86_64", "aarch64", "x86"] if "ziglang" in COMPILER else ["x86_64"]

_CALLS = {
    "SYSTEM32": "LOAD_LIBRARY_SEARCH_SYSTEM32",
    "INVALID_FUNCTION": "ERROR_INVALID_FUNCTION",
    "FILE_NOT_FOUND": "ERROR_FILE_NOT_FOUND",
    "ACCESS_DENIED": "ERROR_ACCESS_DENIED",
    "NOT_SUPPORTED": "ERROR_NOT_SUPPORTED",
    "BROKEN_PIPE": "ERROR_BROKEN_PIPE",
    "INSUFFICIENT_BUFFER": "ERROR_INSUFFICIENT_BUFFER",
    "PIPE_BUSY": "ERROR_PIPE_BUSY",
    "NO_DATA": "ERROR_NO_DATA",
    "PIPE_CONNECTED": "ERROR_PIPE_CONNECTED",
    "OPERATION_ABORTED": "ERROR_OPERATION_ABORTED",
    "IO_PENDING": "ERROR_IO_PENDING",
    "TOKEN_QUERY": "TOKEN_QUERY",
    "TOKEN_USER": "TokenUser",
    "OWNER": "OWNER_SECURITY_INFORMATION",
    "DACL": "DACL_SECURITY_INFORMATION",
    "LABEL": "LABEL_SECURITY_INFORMATION",
    "OPEN_EXISTING": "OPEN_EXISTING",
}
_PIPE = {
    "OPEN_MODE": "PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED",
    "PIPE_MODE": "PIPE_REJECT_REMOTE_CLIENTS | PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT",
    "ACCESS": "GENERIC_READ | GENERIC_WRITE",
    "FLAGS": "FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION",
    "TO_END": "PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION",
    "SDDL_REVISION": "SDDL_REVISION_1",
}
_ACL = {
    "_GENERIC_WRITE": "GENERIC_WRITE",
    "_READ_CONTROL": "READ_CONTROL",
    "_WRITE_DAC": "WRITE_DAC",
    "_SHARE_ALL": "FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE",
    "_CREATE_NEW": "CREATE_NEW",
    "_NORMAL": "FILE_ATTRIBUTE_NORMAL",
    "_BACKUP_SEMANTICS": "FILE_FLAG_BACKUP_SEMANTICS",
    "_OPEN_REPARSE_POINT": "FILE_FLAG_OPEN_REPARSE_POINT",
    "_PROTECTED_DACL": "PROTECTED_DACL_SECURITY_INFORMATION",
    "_UNPROTECTED_DACL": "UNPROTECTED_DACL_SECURITY_INFORMATION",
    "_SE_FILE_OBJECT": "SE_FILE_OBJECT",
}
_BYTES = {
    "CHANGING": "FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_DELETE_CHILD | FILE_WRITE_ATTRIBUTES"
    " | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_ALL | GENERIC_WRITE",
    "_ALL": "FILE_ALL_ACCESS",
    "_PRESENT": "SE_DACL_PRESENT",
    "_LABELS_PRESENT": "SE_SACL_PRESENT",
    "_PROTECTED": "SE_DACL_PROTECTED",
    "_RELATIVE": "SE_SELF_RELATIVE",
    "_TO_CHILDREN": "OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE",
    "_CHILDREN_ONLY": "INHERIT_ONLY_ACE",
    "_ALLOW": "ACCESS_ALLOWED_ACE_TYPE",
    "_ALLOW_CALLBACK": "ACCESS_ALLOWED_CALLBACK_ACE_TYPE",
    "_LABEL": "SYSTEM_MANDATORY_LABEL_ACE_TYPE",
    "MEDIUM": "SECURITY_MANDATORY_MEDIUM_RID",
}
# Numbers of ours: sizes, "nothing", "everything"; -1 as a pointer is what the machine makes of it.
_OURS = {"INVALID_HANDLE", "LONGEST_USER", "_LARGEST", "INSTANCES", "BUFFER", "_SHARE_NONE", "ANY", "NONE"}

_DENY = ("", "_OBJECT", "_CALLBACK", "_CALLBACK_OBJECT")
_MORE = [
    *(f"ACCESS_DENIED{kind}_ACE_TYPE == {number}" for kind, number in zip(_DENY, access_list._DENY, strict=True)),
    f"(IO_REPARSE_TAG_MOUNT_POINT & IO_REPARSE_TAG_SYMLINK & 0x20000000) == {files._ELSEWHERE}",
    f"sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE <= {windows_calls.LONGEST_USER}",
    "sizeof(SE_OBJECT_TYPE) == sizeof(int)",
    "sizeof(TOKEN_INFORMATION_CLASS) == sizeof(int)",
    f"sizeof(SECURITY_DESCRIPTOR_RELATIVE) == {access_list._DESCRIPTOR.size}",
    "offsetof(SECURITY_DESCRIPTOR_RELATIVE, Control) == 2",
    "offsetof(SECURITY_DESCRIPTOR_RELATIVE, Owner) == 4",
    "offsetof(SECURITY_DESCRIPTOR_RELATIVE, Sacl) == 12",
    "offsetof(SECURITY_DESCRIPTOR_RELATIVE, Dacl) == 16",
    f"sizeof(ACL) == {access_list._LIST.size}",
    "offsetof(ACL, AclSize) == 2",
    "offsetof(ACL, AceCount) == 4",
    "ACL_REVISION == 2",
    "offsetof(ACE_HEADER, AceSize) == 2",
    "offsetof(ACCESS_ALLOWED_ACE, Mask) == 4",
    f"offsetof(ACCESS_ALLOWED_ACE, SidStart) == {access_list._ENTRY.size}",
    f"offsetof(SYSTEM_MANDATORY_LABEL_ACE, SidStart) == {access_list._ENTRY.size}",
    "offsetof(SID, SubAuthorityCount) == 1",
    "offsetof(SID, IdentifierAuthority) == 2",
    f"offsetof(SID, SubAuthority) == {access_list._SID.size}",
    "SID_MAX_SUB_AUTHORITIES == 15",
    "SECURITY_LOCAL_SYSTEM_RID == 18",
    "SECURITY_BUILTIN_DOMAIN_RID == 32",
    "DOMAIN_ALIAS_RID_ADMINS == 544",
    "SECURITY_CREATOR_OWNER_RIGHTS_RID == 4",
    "SECURITY_CREATOR_OWNER_RID == 0",
]
_STRUCTURES: dict[str, tuple[type[ctypes.Structure], list[str]]] = {
    "OVERLAPPED": (windows_calls.Overlapped, ["Internal", "InternalHigh", "Offset", "OffsetHigh", "hEvent"]),
    "SECURITY_ATTRIBUTES": (windows_calls.SecurityAttributes, ["nLength", "lpSecurityDescriptor", "bInheritHandle"]),
    "TOKEN_USER": (windows_calls.TokenUser, ["User.Sid", "User.Attributes"]),
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
    POINTER(windows_calls.Overlapped): "OVERLAPPED*",
    POINTER(windows_calls.SecurityAttributes): "SECURITY_ATTRIBUTES*",
}
_OF_FIELDS = _TYPES | {ctypes.c_size_t: "size_t"}  # which here may be the same type as c_uint64


def _tables() -> Iterator[tuple[ModuleType, dict[str, str]]]:
    yield from ((windows_calls, _CALLS), (pipe, _PIPE), (access_list, _BYTES))
    with windows_files.running() as (_, store):
        yield store.windows_acl, _ACL


def _checks() -> list[str]:
    same = [f"(DWORD)({theirs}) == {vars(module)[ours]:#x}u" for module, names in _tables() for ours, theirs in names.items()]
    found = [f'_Static_assert({check}, "");' for check in same + _MORE]
    for name, (structure, members) in _STRUCTURES.items():
        fields = "".join(f" {_OF_FIELDS[kind]} {field};" for field, kind in structure._fields_)  # type: ignore[misc]
        found.append(f"struct our_{name} {{{fields} }};")
        found.append(f'_Static_assert(sizeof(struct our_{name}) == sizeof({name}), "{name}");')
        for member, (field, *_) in zip(members, structure._fields_, strict=True):
            found.append(f'_Static_assert(offsetof(struct our_{name}, {field}) == offsetof({name}, {member}), "{member}");')
    for functions in windows_calls.FUNCTIONS.values():
        for name, (returns, *takes) in functions.items():
            called = f"{name}({', '.join(f'({_TYPES[kind]})0' for kind in takes)})"
            found.append(f'_Static_assert(sizeof({called}) == sizeof({_TYPES[returns]}), "{name}");')
    return found


def _compile(folder: Path, checks: list[str], machine: str = "x86_64") -> subprocess.CompletedProcess[str]:
    headers = ("windows.h", "sddl.h", "aclapi.h", "realtimeapiset.h", "stddef.h")
    source = folder / "checks.c"
    source.write_text(
        "#undef _WIN32_WINNT\n#define _WIN32_WINNT 0x0A00\n"
        + "".join(f"#include <{name}>\n" for name in headers)
        + "\n".join(checks)
    )
    compiler = [word.replace("x86_64-windows", f"{machine}-windows") for word in COMPILER]
    command = [*compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", str(source), "-o", str(folder / "checks.o")]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def test_each_number_is_looked_up() -> None:
    for module, names in _tables():
        assert {name for name, value in vars(module).items() if type(value) is int} - _OURS == set(names), module.__name__


@needs_compiler
@pytest.mark.parametrize("machine", MACHINES)
def test_they_are_those_of_the_headers(tmp_path: Path, machine: str) -> None:
    done = _compile(tmp_path, _checks(), machine)
    assert done.returncode == 0, done.stderr


@needs_compiler
@pytest.mark.parametrize(
    "wrong",
    ["ERROR_IO_PENDING == 996", "sizeof(CloseHandle((DWORD)1)) == 4", "sizeof(CloseHandle((void*)0, 0)) == 4"],
)
def test_a_slip_would_be_noticed(tmp_path: Path, wrong: str) -> None:
    done = _compile(tmp_path, [f'_Static_assert({wrong}, "");'])
    assert done.returncode != 0
    assert wrong.split(" ")[0].removeprefix("sizeof(") in done.stderr
