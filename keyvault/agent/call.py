"""`python -I -S -E call.py WORDS` is the fastest call of keyvault in Python, for the hook: neither `site` nor click is loaded.

Short on purpose: the interpreter compiles the file that it is given at each start. It keeps client.py compiled.
"""

import sys

assert sys.platform != "win32"  # where there is no agent yet
_root = __file__.rpartition("/keyvault/agent/")[0]
sys.path.insert(0, _root)
from keyvault.agent import client

sys.path.remove(_root)
client.answer_or_run(sys.argv[1:])
