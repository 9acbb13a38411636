"""Builds the native client, and decides which commands are installed.

With a C compiler, `keyvault` is the native client, which leaves to `keyvault-python` what no agent answers. Without one, on
Windows, and with KEYVAULT_NO_NATIVE set, `keyvault` is the Python program too. `keyvault-python` is always there.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from packaging.tags import sys_tags

_SOURCE = os.path.join("keyvault", "agent", "native", "client.c")
_PROGRAM = "keyvault.__main__:main"
_PLAIN = ("-std=c11", "-Os", "-s")
_WISHED = ("-Wall", "-Wextra", "-Werror", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2")
# For ELF: loaded anywhere, its tables read-only before main, a stack that cannot be jumped over.
_HARDENED = ("-fPIE", "-pie", "-fstack-clash-protection", "-Wl,-z,relro,-z,now,-z,noexecstack")
_OF_MACHINE = {"x86_64": "-fcf-protection", "aarch64": "-mbranch-protection=standard"}  # jumps only to where they may go


class Commands(MetadataHookInterface):
    """Which commands there are. The compiler is tried, for the answer must be the one that the build gives."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the scripts."""
        with tempfile.TemporaryDirectory() as folder:
            native = compiled(self.root, folder)
        metadata["scripts"] = {"keyvault-python": _PROGRAM} | ({} if native else {"keyvault": _PROGRAM})


class Native(BuildHookInterface[Any]):
    """Puts the native client into a wheel, also into that of an editable install."""

    _folder = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile it, if it is to be there."""
        self._folder = tempfile.mkdtemp(prefix="keyvault-build-")
        if not compiled(self.root, self._folder):
            return
        build_data["shared_scripts"] = {os.path.join(self._folder, "keyvault"): "keyvault"}
        build_data["pure_python"] = False
        # manylinux is promised for what was built against an old libc, and nobody knows that here
        known = (tag.platform for tag in sys_tags() if "linux_" not in tag.platform or tag.platform.startswith("linux_"))
        build_data["tag"] = f"py3-none-{next(known)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear up."""
        shutil.rmtree(self._folder)


def compiled(root: str, folder: str) -> bool:
    """Compile the native client as `keyvault` in `folder`; whether there is one now."""
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if sys.platform == "win32" or os.environ.get("KEYVAULT_NO_NATIVE") or not shutil.which(compiler[0]):
        return False
    own = shlex.split(" ".join(os.environ.get(name, "") for name in ("CPPFLAGS", "CFLAGS", "LDFLAGS")))
    hardened = (*_PLAIN, *_WISHED, *_HARDENED)
    of_machine = _OF_MACHINE.get(platform.machine(), "-fcf-protection")
    for flags in ((*hardened, of_machine), hardened, _PLAIN + _WISHED, _PLAIN):  # the most that this compiler takes
        words = [*compiler, *flags, *own, "-o", os.path.join(folder, "keyvault"), os.path.join(root, _SOURCE)]
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return True
    return False
