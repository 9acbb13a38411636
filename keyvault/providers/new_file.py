"""The beginning of a person's own vendor file."""

from __future__ import annotations

import os

from keyvault.core.errors import InvalidInput
from keyvault.providers import catalogue
from keyvault.store import files

_TEMPLATE = """\
# {name}: a vendor of your own. docs/how-to/own-providers.md tells what else a file may say.
id = "{id}"
name = "{name}"
variables = ["{variable}"]  # the first one is exported; the others are only recognised
{base}
[[checks]]
# A request that only a good key gets through, and that costs nothing. Without rules 401 means invalid and 403 refused.
urls = ["{check_url}"]
headers = {{ Authorization = "Bearer {{key}}" }}
ask_without_key = true  # 200 proves nothing where the same request without a key gets it too
# rules = [
#   {{ status = 403, body = "quota", verdict = "no_credit", why = "the quota is used up" }},
# ]

# [[patterns]]  # what its keys look like, so that `identify` and `import` know them
# kind = "API key"
# regex = 'sk-mine-[A-Za-z0-9]{{32}}'
# prefix = "sk-mine-"
"""


def stub(provider_id: str, *, name: str, base_url: str, variable: str) -> str:
    """The text of a new vendor's file. Raises InvalidInput."""
    base = base_url.rstrip("/")
    text = _TEMPLATE.format(
        id=provider_id,
        name=_plain("vendor's name", name),
        variable=variable,
        base=f'base_url = "{_plain("base URL", base)}"\nopenai_compatible = true\n',
        check_url=f"{base}/models",
    )
    catalogue.parse(text.encode(), provider_id, "the new file")
    return text


def make(provider_id: str, text: str) -> str:
    """Put the file into the person's own folder; its path. Raises AlreadyExists, StoreFailed, UnsafeFile."""
    folder = catalogue.own_folder()
    files.make_private_folder(folder)
    path = os.path.join(folder, f"{provider_id}.toml")
    files.create_private(path, text.encode())
    return path


def _plain(what: str, text: str) -> str:
    if not text.isprintable() or '"' in text or "\\" in text:
        raise InvalidInput(f"the {what} may not hold quotes, backslashes or control characters", "write it plainly")
    return text
