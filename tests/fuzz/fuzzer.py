"""Called by scripts/fuzz in an interpreter that has atheris: `fuzzer.py TARGET LIBFUZZER-OPTIONS`."""

from __future__ import annotations

import shlex
import sys

import atheris

with atheris.instrument_imports(include=["keyvault", "tomllib"]):  # to the end: some modules are imported when they are called
    import parsers

    target = sys.argv.pop(1)
    sys.argv[0] = shlex.join([sys.executable, __file__, target])  # which a merge hands to a shell, to run itself
    atheris.Setup(sys.argv, lambda data: parsers.run(target, data))
    atheris.Fuzz()
