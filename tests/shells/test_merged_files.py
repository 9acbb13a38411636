"""Files that `merge` has edited, read by the real thing: the new value, and every other variable as before."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hard_values import MANY, environment_of
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.core.errors import InvalidInput
from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

READ = {
    "bash": ["bash", "-c", "set -a; . ./file; env -0"],
    "sh": ["dash", "-c", "set -a; . ./file; env -0"],
    "ksh": ["ksh93", "-c", "set -a; . ./file; env -0"],
    "zsh": ["zsh", "-fac", ". ./file; env -0"],
    "fish": ["fish", "--no-config", "-c", "source ./file; and env -0"],
    "csh": ["tcsh", "-fc", "source ./file; env -0"],
}
_POSIX = [
    "KV_1=a\n",
    "export KV_1='b c'\n",
    "export KV_1=$KV_2\n",
    'KV_1="x $KV_2"; export KV_1\n',
    "KV_1=a # note\n",
    "  KV_1=a\n",
    "KV_1=a KV_2=b\n",
    "KV_2='it is'\n",
    "KV_2='\n",
    "KV_1=x\n",
    "'\n",
    '"\n',
    "KV_3=\\\n",
    "KV_3=\"$(echo 'KV_1=q')\"\n",
    "# it's KV_1=9\n",
    "KV_3=a#b\n",
    "if true; then\n",
    "fi\n",
    "f() {\n",
    "}\n",
    "cat >/dev/null <<E\n",
    "E\n",
    "unset KV_1\n",
    ': `echo "` KV_1=5\n',
    'echo "$(echo "\n',
    ')"\n',
    "KV_2=$'it\\'s\n",
    "\n",
]
_FISH = [
    "set -gx KV_1 a\n",
    "set -x KV_1 'b c' # note\n",
    "set -gx KV_1 $KV_2\n",
    "  set -gx KV_1 a\n",
    "set -gx KV_2 'it\\'s'\n",
    "set -gx KV_2 '\n",
    "'\n",
    '"\n',
    "set -gx KV_3 \\\n",
    "# it's KV_1\n",
    "if true\n",
    "function f\n",
    "end\n",
    "set -e KV_1\n",
    'set -gx KV_3 "$(echo "\n',
    ')"\n',
    "export KV_1=q\n",
]
_CSH = [
    "setenv KV_1 a\n",
    "setenv KV_1 'b c' # note\n",
    'setenv KV_1 "$KV_2"\n',
    "  setenv KV_1 a\n",
    "setenv KV_2 'x\\\n",
    "setenv KV_2 it\n",
    "'\n",
    "# it's KV_1\n",
    "if (1) then\n",
    "endif\n",
    "unsetenv KV_1\n",
    "if (1) setenv KV_1 b\n",
    "cat > /dev/null << E\n",
    "E\n",
]
LINES = {"fish": _FISH, "csh": _CSH}


class Reader:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.folder = folder
        self.programs = programs

    def read(self, form: str, text: str) -> dict[str, bytes] | None:
        """The variables, or None where the shell finds fault with the file."""
        with open(os.path.join(self.folder, "file"), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        program, *rest = READ[form]
        done = subprocess.run(
            [self.programs[program], *rest],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": self.folder, "KV_2": "two"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        return None if done.returncode or done.stderr else environment_of(done.stdout)


@pytest.fixture
def reader(tmp_path: os.PathLike[str], programs: Programs) -> Reader:
    return Reader(os.fspath(tmp_path), programs)


def _fuzz(reader: Reader, form: str, examples: int) -> dict[str, int]:
    lines = LINES.get(form, _POSIX)
    count = {"merged": 0, "refused": 0, "faulty": 0}

    @settings(MANY, max_examples=examples)
    @given(st.lists(st.sampled_from(lines), min_size=1, max_size=7).map("".join), st.booleans())
    def check(text: str, whole: bool) -> None:
        text = text if whole else text.removesuffix("\n")
        try:
            merged = load(form).merge(text, [("KV_1", "new"), ("KV_4", "a-b")]).text
        except InvalidInput:
            count["refused"] += 1
            return
        before = reader.read(form, text)
        if before is None:
            count["faulty"] += 1
            return
        after = reader.read(form, merged)
        assert after is not None, merged
        # what was made of KV_1 follows it; a file in which KV_1 has no effect (a function never called) is not for us
        assert after["KV_4"] == b"a-b", merged
        if after.get("KV_1") != b"new":
            assert "f() {" in text or "function f" in text or "KV_1" not in before, merged
        if "$KV_1" not in text:
            assert {n: v for n, v in after.items() if n in ("KV_2", "KV_3")} == {
                n: v for n, v in before.items() if n in ("KV_2", "KV_3")
            }, merged
        count["merged"] += 1

    check()
    return count


@pytest.mark.parametrize("form", READ)
def test_any_file_keeps_its_other_variables(reader: Reader, form: str) -> None:
    count = _fuzz(reader, form, 120)
    assert count["merged"] >= 3, count  # of some fifteen as a rule: most random files are refused


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", READ)
def test_very_many_files_keep_their_other_variables(reader: Reader, form: str) -> None:
    _fuzz(reader, form, 10_000)
