"""Functions of Windows as Wine has them, called one by one from here: `windows_calls.api` is a process in Wine."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from keyvault.core import windows_calls

_MINGW = "x86_64-w64-mingw32-gcc"
WINE = shutil.which("wine64") or shutil.which("wine")
COMPILER: list[str] = []
if shutil.which(_MINGW):
    COMPILER = [_MINGW]
elif importlib.util.find_spec("ziglang"):
    COMPILER = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu"]


class Process:
    """A process in Wine, and its memory. Texts, structures and buffers are copied there, and back."""

    def __init__(self, program: str, prefix: str) -> None:
        environment = os.environ | {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
        environment.setdefault("WINEPREFIX", prefix)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [WINE or "wine", program], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, bufsize=1, env=environment
        )
        self._error = 0
        self._begun: dict[int, int] = {}  # where an OVERLAPPED of ours is there
        self._buffers: dict[int, tuple[int, Any]] = {}  # what is copied when it has ended
        for library, functions in windows_calls.FUNCTIONS.items():
            for name, (returns, *_) in functions.items():
                setattr(self, name, self._function(library, name, returns))

    def last_error(self) -> int:
        return self._error

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.wait(60)

    def _say(self, text: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(text + "\n")
        return self.process.stdout.readline().strip()

    def _put(self, content: bytes) -> int:
        address = int(self._say(f"M {max(len(content), 1):x}"), 16)
        for at in range(0, len(content), 4096):
            self._say(f"W {address + at:x} {content[at : at + 4096].hex()} ")
        return address

    def _get(self, address: int, size: int) -> bytes:
        return bytes.fromhex(self._say(f"R {address:x} {size:x}"))

    def _function(self, library: str, name: str, returns: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            sent, back, operation = [], [], 0
            for argument in arguments:
                meant = getattr(argument, "_obj", argument)  # what byref() holds
                if isinstance(argument, str):
                    sent.append(self._put((argument + "\0").encode("utf-16-le")))
                elif isinstance(argument, bytes):
                    sent.append(self._put(argument))
                elif isinstance(meant, windows_calls.Overlapped):
                    operation = id(meant)
                    if operation not in self._begun:
                        self._begun[operation] = self._put(bytes(meant))
                    sent.append(self._begun[operation])
                elif isinstance(argument, ctypes.Array):
                    sent.append(self._put(bytes(argument)))
                    self._buffers[id(arguments[-1]._obj)] = sent[-1], argument
                elif meant is not argument:
                    sent.append(self._put(bytes(meant)))
                    back.append((sent[-1], meant))
                else:
                    number = argument.value if isinstance(argument, ctypes.c_void_p) else argument
                    sent.append((number or 0) & 0xFFFF_FFFF_FFFF_FFFF)
            said = self._say(" ".join(["C", library, name, *(f"{number:x}" for number in sent)]))
            assert said not in ("", "missing"), name
            result, self._error = (int(number, 16) for number in said.split())
            for address, meant in back:
                ctypes.memmove(ctypes.addressof(meant), self._get(address, ctypes.sizeof(meant)), ctypes.sizeof(meant))
            if name == "GetOverlappedResult":
                self._end(operation, arguments[2]._obj.value)
            if name == "GetTokenInformation" and result:  # what it points to is in the buffer too
                user = windows_calls.TokenUser.from_buffer(arguments[2]._obj)
                user.sid += ctypes.addressof(user) - sent[2]
            result &= (1 << 8 * ctypes.sizeof(returns)) - 1
            return (result or None) if returns is ctypes.c_void_p else result

        return call

    def _end(self, operation: int, moved: int) -> None:
        del self._begun[operation]
        address, buffer = self._buffers.pop(operation, (0, None))
        if moved and buffer is not None:
            ctypes.memmove(buffer, self._get(address, moved), moved)
