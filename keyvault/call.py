"""`python -I -S -E call.py WORDS` is the fastest call of keyvault in Python, for the hook: neither `site` nor click is loaded.

Short on purpose: the interpreter compiles the file that it is given at each start. What it imports is kept compiled.
"""

import sys

assert sys.platform != "win32"  # where nobody can be asked this fast
import posix

_root = __file__.rpartition("/keyvault/")[0]
sys.path.insert(0, _root)
from keyvault.agent import client

sys.path.remove(_root)
code = client.ask(sys.argv[1:])
if code is not None:
    posix._exit(code)  # noqa: SLF001 - all is written
from keyvault.__main__ import without_site

without_site()
