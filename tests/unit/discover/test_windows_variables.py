"""The permanent variables of Windows, against a registry that behaves as winreg is documented to. It never ran on Windows."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, TracebackType
from typing import Any, Self

import pytest

from keyvault.core.errors import StoreFailed
from keyvault.discover import windows_variables
from keyvault.discover.windows_variables import read, remove

KEY = "sk-or-v1-" + "0123456789abcdef" * 4


class Registry(ModuleType):
    """HKCU\\Environment alone."""

    HKEY_CURRENT_USER, REG_SZ, REG_EXPAND_SZ, KEY_QUERY_VALUE, KEY_SET_VALUE, KEY_READ = 1, 1, 2, 1, 2, 0x20019

    def __init__(self) -> None:
        super().__init__("winreg")
        self.values: dict[str, tuple[Any, int]] = {}
        self.refuses_writing = False
        self.told: list[str] = []

    def OpenKey(self, key: int, path: str, reserved: int = 0, access: int = KEY_READ) -> Opened:  # noqa: N802
        assert (key, path, reserved) == (self.HKEY_CURRENT_USER, "Environment", 0)
        if self.refuses_writing and access & self.KEY_SET_VALUE:
            raise PermissionError(13, "Access is denied")
        return Opened(access)

    def QueryInfoKey(self, key: Opened) -> tuple[int, int, int]:  # noqa: N802
        return 0, len(self.values), 0

    def EnumValue(self, key: Opened, index: int) -> tuple[str, Any, int]:  # noqa: N802
        name = list(self.values)[index]
        return name, *self.values[name]

    def QueryValueEx(self, key: Opened, name: str) -> tuple[Any, int]:  # noqa: N802
        if name not in self.values:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return self.values[name]

    def DeleteValue(self, key: Opened, name: str) -> None:  # noqa: N802
        assert key.access & self.KEY_SET_VALUE
        del self.values[name]

    def SendMessageTimeoutW(self, *message: Any) -> int:  # noqa: N802
        self.told.append(message[3])
        return 1


class Opened:
    """A handle."""

    def __init__(self, access: int) -> None:
        self.access = access

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry()
    monkeypatch.setitem(sys.modules, "winreg", made)
    monkeypatch.setattr(windows_variables.sys, "platform", "win32")
    windows = ModuleType("windll")
    windows.user32 = made  # type: ignore[attr-defined]
    monkeypatch.setattr(ctypes, "windll", windows, raising=False)
    made.values = {
        "OPENROUTER_API_KEY": (KEY, 1),
        "Path": ("%USERPROFILE%\\bin", 2),
        "EDITOR": ("notepad", 1),
        "GROQ_API_KEY": (b"\x00\x01", 3),
    }
    return made


def test_keys_are_read_and_other_settings_are_not(registry: Registry) -> None:
    reading = read()
    assert [(found.variable, found.value.reveal(), found.path) for found in reading.found] == [
        ("OPENROUTER_API_KEY", KEY, "windows:HKCU\\Environment")
    ]


def test_what_still_has_its_value_is_removed_and_windows_is_told(registry: Registry) -> None:
    registry.values["CHANGED_API_KEY"] = ("another", 1)
    assert remove({"OPENROUTER_API_KEY": KEY, "CHANGED_API_KEY": KEY, "GONE_API_KEY": KEY}) == ["OPENROUTER_API_KEY"]
    assert set(registry.values) == {"Path", "EDITOR", "GROQ_API_KEY", "CHANGED_API_KEY"}
    assert registry.told == ["Environment"]


def test_a_registry_that_may_not_be_written_is_told(registry: Registry) -> None:
    registry.refuses_writing = True
    with pytest.raises(StoreFailed):
        remove({"OPENROUTER_API_KEY": KEY})
    assert "OPENROUTER_API_KEY" in registry.values
