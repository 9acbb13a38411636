"""The user's permanent variables on Windows, HKCU\\Environment: read, and removed once the vault has them; never written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress

from keyvault.core.errors import NotFound, StoreFailed
from keyvault.discover.found import Reading
from keyvault.discover.judging import is_key

PLACE = "windows:HKCU\\Environment"
_BROADCAST, _SETTING_CHANGE, _ABORT_IF_HUNG = 0xFFFF, 0x001A, 0x0002  # winuser.h


def read() -> Reading:
    """The keys among them. Raises NotFound on other systems."""
    if sys.platform != "win32":
        raise NotFound("permanent variables are a thing of Windows", "name a file")
    import winreg

    reading = Reading(PLACE)
    with winreg.OpenKey(winreg.HKEY_CURRENT_USER, "Environment") as key:
        for index in range(winreg.QueryInfoKey(key)[1]):
            name, value, kind = winreg.EnumValue(key, index)
            if kind == winreg.REG_SZ and isinstance(value, str) and is_key(name, value):
                reading.add(name, value, 0)
    return reading


def remove(values: Mapping[str, str]) -> list[str]:
    """Remove those that still have the value given; their names. New programs do not get them any more. Raises StoreFailed."""
    if sys.platform != "win32":
        raise NotFound("permanent variables are a thing of Windows", "name a file")
    import winreg

    removed = []
    try:
        access = winreg.KEY_QUERY_VALUE | winreg.KEY_SET_VALUE
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, "Environment", access=access) as key:
            for name, value in values.items():
                with suppress(FileNotFoundError):  # somebody else removed it
                    if winreg.QueryValueEx(key, name)[0] == value:
                        winreg.DeleteValue(key, name)
                        removed.append(name)
    except OSError as exc:
        raise StoreFailed("Windows does not let these variables be removed", "remove them in its settings") from exc
    import ctypes

    ctypes.windll.user32.SendMessageTimeoutW(_BROADCAST, _SETTING_CHANGE, 0, "Environment", _ABORT_IF_HUNG, 1000, None)
    return removed
