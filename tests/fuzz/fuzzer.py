"""Called by scripts/fuzz in an interpreter that has atheris: `fuzzer.py TARGET LIBFUZZER-OPTIONS`."""

from __future__ import annotations

import os
import shlex
import sys

import atheris

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

with atheris.instrument_imports(
    include=["keyvault", "tomllib", "h11", "jeepney"]
):  # to the end: some modules are imported when they are called
    from fuzz import parsers

    target = sys.argv.pop(1)
    sys.argv[0] = shlex.join([sys.executable, __file__, target])  # which a merge hands to a shell, to run itself
    atheris.Setup(sys.argv, lambda data: parsers.run(target, data))
    atheris.Fuzz()
