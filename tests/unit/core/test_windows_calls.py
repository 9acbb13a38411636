"""How Windows' functions are found; that they are those of Windows, tests of the headers and on Wine tell."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from keyvault.core import windows_calls


def test_each_comes_from_the_system_s_own_folder_with_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def load(name: str, **options: Any) -> SimpleNamespace:
        asked.append((name, options))
        return SimpleNamespace(**{name: SimpleNamespace() for name in windows_calls.FUNCTIONS[name.removesuffix(".dll")]})

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 5, raising=False)
    found = windows_calls.api.__wrapped__()
    options = {"use_last_error": True, "winmode": 0x800}
    assert asked == [("kernel32.dll", options), ("advapi32.dll", options)]
    assert found.last_error() == 5
    assert found.CloseHandle.restype is ctypes.c_int
    assert found.CloseHandle.argtypes == [ctypes.c_void_p]
    assert found.SetSecurityInfo.restype is ctypes.c_uint32


def test_elsewhere_there_are_none() -> None:
    with pytest.raises(NotImplementedError):
        windows_calls.api()
