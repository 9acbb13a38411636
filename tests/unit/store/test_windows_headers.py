"""The numbers that scripts/platforms compares with the headers of Windows are those that the program uses."""

from __future__ import annotations

import os
import re
from struct import calcsize
from types import ModuleType

import pytest
from conftest import ROOT
from windows_files import running

from keyvault.store import access_list, files

with open(os.path.join(ROOT, "tests", "windows_headers.c"), encoding="ascii") as _file:
    HEADERS = {name: int(number, 0) for number, name in re.findall(r"^SAME\((\w+), (.+)\);$", _file.read(), re.MULTILINE)}
CALLS = {
    "_GENERIC_WRITE": "U(GENERIC_WRITE)",
    "_READ_CONTROL": "READ_CONTROL",
    "_WRITE_DAC": "WRITE_DAC",
    "_SHARE_ALL": "FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE",
    "_CREATE_NEW": "CREATE_NEW",
    "_OPEN_EXISTING": "OPEN_EXISTING",
    "_NORMAL": "FILE_ATTRIBUTE_NORMAL",
    "_BACKUP_SEMANTICS": "FILE_FLAG_BACKUP_SEMANTICS",
    "_OPEN_REPARSE_POINT": "FILE_FLAG_OPEN_REPARSE_POINT",
    "_OWNER": "OWNER_SECURITY_INFORMATION",
    "_DACL": "DACL_SECURITY_INFORMATION",
    "_PROTECTED_DACL": "U(PROTECTED_DACL_SECURITY_INFORMATION)",
    "_UNPROTECTED_DACL": "U(UNPROTECTED_DACL_SECURITY_INFORMATION)",
    "_SE_FILE_OBJECT": "SE_FILE_OBJECT",
    "_TOKEN_QUERY": "TOKEN_QUERY",
    "_TOKEN_USER": "TokenUser",
    "_INVALID_FUNCTION": "ERROR_INVALID_FUNCTION",
    "_NOT_SUPPORTED": "ERROR_NOT_SUPPORTED",
    "_INSUFFICIENT_BUFFER": "ERROR_INSUFFICIENT_BUFFER",
}
BYTES = {
    "_ALL": "FILE_ALL_ACCESS",
    "_PRESENT": "SE_DACL_PRESENT",
    "_PROTECTED": "SE_DACL_PROTECTED",
    "_RELATIVE": "SE_SELF_RELATIVE",
    "_TO_CHILDREN": "OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE",
    "_CHILDREN_ONLY": "INHERIT_ONLY_ACE",
    "_ALLOW": "ACCESS_ALLOWED_ACE_TYPE",
    "_ALLOW_CALLBACK": "ACCESS_ALLOWED_CALLBACK_ACE_TYPE",
}
WRITING = (
    "FILE_WRITE_DATA FILE_APPEND_DATA FILE_WRITE_EA FILE_DELETE_CHILD FILE_WRITE_ATTRIBUTES DELETE WRITE_DAC WRITE_OWNER"
    " GENERIC_ALL"
).split()


def differing(module: ModuleType, names: dict[str, str]) -> list[str]:
    return [ours for ours, theirs in names.items() if getattr(module, ours) != HEADERS[theirs]]


def test_numbers_of_calls_are_those_of_the_headers() -> None:
    with running() as (_, store):
        assert differing(store.windows_acl, CALLS) == []
        numbers = {name for name, value in vars(store.windows_acl).items() if name[0] == "_" and type(value) is int}
    assert numbers - set(CALLS) == {"_SHARE_NONE", "_LARGEST", "_INVALID_HANDLE"}


def test_numbers_of_descriptors_are_those_of_the_headers() -> None:
    assert differing(access_list, BYTES) == []
    assert set(access_list._DENY) == {number for name, number in HEADERS.items() if name.startswith("ACCESS_DENIED")}
    assert sum(HEADERS[name] for name in WRITING) | HEADERS["U(GENERIC_WRITE)"] == access_list.CHANGING
    assert HEADERS["IO_REPARSE_TAG_SYMLINK & 0x20000000"] == files._ELSEWHERE


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        (access_list._DESCRIPTOR, "sizeof(SECURITY_DESCRIPTOR_RELATIVE)"),
        (access_list._LIST, "sizeof(ACL)"),
        (access_list._ENTRY, "offsetof(ACCESS_ALLOWED_ACE, SidStart)"),
        (access_list._SID, "offsetof(SID, SubAuthority)"),
    ],
)
def test_layouts_are_as_long_as_those_of_the_headers(layout: object, size: str) -> None:
    assert calcsize(getattr(layout, "format", "")) == HEADERS[size]
