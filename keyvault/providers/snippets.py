"""How to use a key from a program: text that reads the variable, and never holds the key.

What is known of a vendor decides: its own library where that is the usual way, OpenAI's library with the vendor's
address where it speaks OpenAI's API, else the request that its file names for checking a key.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from keyvault.core.errors import InvalidInput
from keyvault.core.text import escape
from keyvault.providers.address import is_theirs, places
from keyvault.providers.libraries import CHAT_CLIENTS_CALL, NODE, PYTHON
from keyvault.providers.schema import PLACEHOLDER, Provider, check_url

# These speak OpenAI's API not at their base URL, but at the first of their other addresses.
_SPOKEN_ELSEWHERE = ("google-gemini", "wandb")
_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/?#@!&()*+,;=%\[\]-]+")
_HELLO = '[{"role": "user", "content": "Hello"}]'


class Use(NamedTuple):
    """A key as a program meets it: its name, its vendor if known, the variable of its main value, the variables of its fields
    by field, and its own base URL or ''.
    """

    ref: str
    provider: Provider | None
    variable: str
    fields: Mapping[str, str]
    base_url: str


class Ask(NamedTuple):
    """One request, with placeholders in it."""

    method: str
    url: str
    headers: Mapping[str, str]
    basic: tuple[str, str] | None
    body: str


def snippet(use: Use, lang: str) -> str:
    """The text for one of LANGS. Raises InvalidInput where keyvault does not know enough of the vendor."""
    if use.base_url:
        _check_base(use)
    return LANGS[lang](use)


def _check_base(use: Use) -> None:
    try:
        check_url(use.base_url)
        plain = _PLAIN_URL.fullmatch(use.base_url) is not None
    except ValueError:
        plain = False
    if not plain:
        raise InvalidInput(
            f"the base URL of {use.ref} is not one that a key may be sent to", f"keyvault edit {use.ref} --base-url https://…"
        )


def openai_base(use: Use) -> str:
    """Where OpenAI's API is spoken, or ''. The key's own base URL is such a place, but for vendors who speak otherwise."""
    provider = use.provider
    if provider is not None and not provider.openai_compatible:
        return ""
    own = use.base_url.rstrip("/")
    if provider is None or (own and own != provider.base_url.rstrip("/")):
        return own
    elsewhere = provider.other_base_urls[:1] if provider.id in _SPOKEN_ELSEWHERE else ()
    base = next(iter(elsewhere), provider.base_url)
    return "" if "{" in base else base.rstrip("/")


def _native(use: Use) -> str:
    """The vendor whose own library is to be used, or ''."""
    provider = use.provider
    if provider is None or provider.id not in CHAT_CLIENTS_CALL:
        return ""
    return provider.id if not provider.openai_compatible or is_theirs(provider, use.base_url) else ""


def _ask(use: Use) -> Ask | None:
    """A request that shows that the key works: the vendor's check, or a listing of the models."""
    base, provider = openai_base(use), use.provider
    for check in reversed(provider.checks if provider else ()):
        plain = check.urls and not check.signature and not check.form
        if not plain or (base and (check.method != "GET" or not is_theirs(provider, use.base_url))):
            continue
        if found := places(provider, use.base_url, check.urls):
            return Ask(check.method, found[0], check.headers, check.basic, check.body)
    return Ask("GET", base + "/models", {"Authorization": "Bearer {key}"}, None, "") if base else None


class _Language(NamedTuple):
    """How a language reads a variable, and joins texts."""

    variable: Callable[[str], str]
    joined: Callable[[list[str]], str]


_PYTHON = _Language(lambda name: f'os.environ["{name}"]', " + ".join)
_NODE = _Language(lambda name: f"process.env.{name}", " + ".join)
_R = _Language(
    lambda name: f'Sys.getenv("{name}")', lambda parts: parts[0] if len(parts) == 1 else f"paste0({', '.join(parts)})"
)


def _fill(use: Use, template: str, language: _Language) -> str:
    """An expression for a template: its placeholders become variables, the rest stays text."""
    with_defaults = PLACEHOLDER.sub(lambda match: _default(use, match[1]) or match[0], template)
    parts = [
        language.variable(_variable(use, text)) if number % 2 else json.dumps(text)
        for number, text in enumerate(PLACEHOLDER.split(with_defaults))
        if text
    ]
    return language.joined(parts or ['""'])


def _variable(use: Use, name: str) -> str:
    """The variable of a placeholder. A vendor's file has no placeholder that is neither the key nor a field."""
    if name == "key":
        return use.variable
    return use.fields.get(name) or (use.provider.fields[name].variable if use.provider else "")


def _default(use: Use, name: str) -> str:
    field = use.provider.fields.get(name) if use.provider and name not in use.fields else None
    return field.default if field else ""


def _head(use: Use, comment: str, install: str, program: str) -> str:
    lines = [install] if install else []
    lines.append(f"keyvault run --only {use.ref} -- {program}")
    return "".join(f"{comment}{line}\n" for line in lines) + "\n"


def _docs(use: Use) -> str:
    known = use.provider and (use.provider.docs_url or use.provider.console_url)
    return escape(known or "the vendor's documentation")


def python(use: Use) -> str:
    """For Python: the vendor's or OpenAI's library, else httpx."""
    program, key = "python example.py", _PYTHON.variable(use.variable)
    if native := _native(use):
        install, imports, body = PYTHON[native]
        base = f", base_url={json.dumps(use.base_url)}" if use.base_url and native == "anthropic" else ""
        kind = "auth_token" if use.variable == "ANTHROPIC_AUTH_TOKEN" else "api_key"
        text = body.replace("KEY", f"{kind}={key}{base}")
        return _head(use, "# ", install, program) + f"import os\n\n{imports}\n\n{text}"
    if base := openai_base(use):
        return _head(use, "# ", "pip install openai", program) + (
            "import os\n\nfrom openai import OpenAI\n\n"
            f"client = OpenAI(api_key={key}, base_url={json.dumps(base)})\n"
            "answer = client.chat.completions.create(\n"
            '    model="MODEL",  # client.models.list() names them, where the vendor has such a list\n'
            f"    messages={_HELLO},\n)\nprint(answer.choices[0].message.content)\n"
        )
    asked = _ask(use)
    if asked is None:
        return _head(use, "# ", "", program) + f"import os\n\nkey = {key}  # what to do with it: {_docs(use)}\n"
    given = [f'"{asked.method}"', _fill(use, asked.url, _PYTHON)]
    if asked.headers:
        pairs = (f"{json.dumps(name)}: {_fill(use, text, _PYTHON)}" for name, text in asked.headers.items())
        given.append(f"headers={{{', '.join(pairs)}}}")
    if asked.basic:
        given.append(f"auth=({', '.join(_fill(use, text, _PYTHON) for text in asked.basic)})")
    if asked.body:
        given.append(f"content={json.dumps(asked.body)}")
    lines = "".join(f"    {argument},\n" for argument in given)
    return _head(use, "# ", "pip install httpx", program) + (
        f"import os\n\nimport httpx\n\nanswer = httpx.request(\n{lines})\nprint(answer.status_code, answer.text)\n"
    )


def node(use: Use) -> str:
    """For Node: the vendor's or OpenAI's library, else fetch."""
    program, key = "node example.mjs", _NODE.variable(use.variable)
    if native := _native(use):
        install, imports, body = NODE[native]
        base = f", baseURL: {json.dumps(use.base_url)}" if use.base_url and native == "anthropic" else ""
        kind = "authToken" if use.variable == "ANTHROPIC_AUTH_TOKEN" else "apiKey"
        return _head(use, "// ", install, program) + f"{imports}\n\n" + body.replace("KEY", f"{kind}: {key}{base}")
    if base := openai_base(use):
        return _head(use, "// ", "npm install openai", program) + (
            'import OpenAI from "openai";\n\n'
            f"const client = new OpenAI({{ apiKey: {key}, baseURL: {json.dumps(base)} }});\n"
            "const answer = await client.chat.completions.create({\n"
            '  model: "MODEL", // client.models.list() names them, where the vendor has such a list\n'
            '  messages: [{ role: "user", content: "Hello" }],\n});\n'
            "console.log(answer.choices[0].message.content);\n"
        )
    asked = _ask(use)
    if asked is None:
        return _head(use, "// ", "", program) + f"const key = {key}; // what to do with it: {_docs(use)}\n"
    headers = {name: _fill(use, text, _NODE) for name, text in asked.headers.items()}
    if asked.basic:
        user, secret = (_fill(use, text, _NODE) for text in asked.basic)
        headers["Authorization"] = f'"Basic " + btoa({user} + ":" + {secret})'
    lines = [f'method: "{asked.method}"', 'redirect: "error"']
    lines += [f"headers: {{ {', '.join(f'{json.dumps(name)}: {text}' for name, text in headers.items())} }}"] if headers else []
    lines += [f"body: {json.dumps(asked.body)}"] if asked.body else []
    options = "".join(f"  {line},\n" for line in lines)
    return _head(use, "// ", "", program) + (
        f"const answer = await fetch({_fill(use, asked.url, _NODE)}, {{\n{options}}});\n"
        "console.log(answer.status, await answer.text());\n"
    )


def r(use: Use) -> str:
    """For R, with httr2."""
    program, key = "Rscript example.R", _R.variable(use.variable)
    base = openai_base(use) if not _native(use) else ""
    if base:
        steps = [
            f"request({json.dumps(base + '/chat/completions')})",
            f"req_auth_bearer_token({key})",
            'req_body_json(list(model = "MODEL", messages = list(list(role = "user", content = "Hello"))))',
        ]
        show = "resp_body_json(answer)$choices[[1]]$message$content\n"
    else:
        asked = _ask(use)
        if asked is None:
            return _head(use, "# ", "", program) + f"key <- {key} # what to do with it: {_docs(use)}\n"
        steps = [f"request({_fill(use, asked.url, _R)})", f'req_method("{asked.method}")']
        for name, text in asked.headers.items():
            redact = f', .redact = "{name}"' if "{" in text else ""
            steps.append(f"req_headers(`{name}` = {_fill(use, text, _R)}{redact})")
        if asked.basic:
            steps.append(f"req_auth_basic({', '.join(_fill(use, text, _R) for text in asked.basic)})")
        if asked.body:
            steps.append(f'req_body_raw({json.dumps(asked.body)}, type = "application/json")')
        show = "resp_body_string(answer)\n"
    steps += ["req_options(followlocation = FALSE)", "req_perform()"]
    head = _head(use, "# ", 'install.packages("httr2")', program)
    return head + "library(httr2)\n\nanswer <- " + " |>\n  ".join(steps) + "\n" + show


def curl(use: Use) -> str:
    """For curl in sh, bash, zsh or fish. The key goes through a pipe: on the command line every process could see it."""
    asked = _ask(use)
    if asked is None:
        raise InvalidInput(
            f"keyvault knows no plain request for {use.ref}",
            f"if it speaks OpenAI's API: keyvault edit {use.ref} --base-url URL",
        )
    config: list[str] = []
    words = ["curl", "--silent", "--show-error", "--config", "-"]
    if asked.method != "GET":
        words += ["--request", asked.method]
    for name, text in asked.headers.items():
        if "{" in text:
            config.append(f'header = "{_quoted(name + ": " + text)}"')
        else:
            words += ["--header", shlex.quote(f"{name}: {text}")]
    if asked.basic:
        config.append(f'user = "{_quoted(":".join(asked.basic))}"')
    if asked.body:
        words += ["--data", shlex.quote(asked.body)]
    if "{" in asked.url:
        config.append(f'url = "{_quoted(asked.url)}"')
    else:
        words.append(shlex.quote(asked.url))
    lines, values = "", []
    text = PLACEHOLDER.sub(lambda match: _default(use, match[1]) or match[0], "\n".join(config) + "\n")
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if number % 2:
            lines += "%s"
            values.append(f'"${_variable(use, part)}"')
        else:
            lines += part.replace("%", "%%").replace("\\", "\\\\").replace("\n", "\\n")
    fill = f"printf {shlex.quote(lines)} {' '.join(values)}"
    return f"# {_load(use)}\n{fill} |\n  {' '.join(words)}\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _load(use: Use) -> str:
    return f'first, for this shell: eval "$(keyvault env {use.ref})"'


def shell(use: Use) -> str:
    """For a shell: this one, one program, one command."""
    return (
        f'# into this shell, until it ends\neval "$(keyvault env {use.ref})"\n\n'
        f"# into one program only\nkeyvault run --only {use.ref} -- PROGRAM\n\n"
        f'# out of this shell again\neval "$(keyvault env --unset {use.ref})"\n'
    )


def env(use: Use) -> str:
    """The variables by which programs made for one vendor are sent to another address."""
    if base := openai_base(use):
        lines = [f"export OPENAI_BASE_URL={shlex.quote(base)}"]
        lines += [f'export OPENAI_API_KEY="${use.variable}"'] if use.variable != "OPENAI_API_KEY" else []
    elif use.provider and use.provider.base_url_variable and use.base_url:
        lines = [f"export {use.provider.base_url_variable}={shlex.quote(use.base_url)}"]
    else:
        raise InvalidInput(
            f"programs made for OpenAI cannot use {use.ref}", "keyvault snippet --lang python shows how its own programs do"
        )
    return f"# {_load(use)}\n" + "\n".join(lines) + "\n"


def chatbox(use: Use) -> str:
    """What to type into Chatbox. Source: docs.chatboxai.app, "Import Third-Party Provider Configuration": host and path."""
    if native := _native(use):
        return _typed(use, "Chatbox: Settings, Model Provider", [("Provider", CHAT_CLIENTS_CALL[native])])
    parts = urlsplit(_base_for_clients(use))
    return _typed(
        use,
        "Chatbox: Settings, Model Provider, Add; API mode: OpenAI API compatible",
        [
            ("Name", escape(use.provider.name) if use.provider else use.ref),
            ("API Host", f"{parts.scheme}://{parts.netloc}"),
            ("API Path", f"{parts.path}/chat/completions"),
        ],
    )


def lobechat(use: Use) -> str:
    """What to type into LobeChat. Source: lobehub/lobe-chat, docs/self-hosting/environment-variables/model-provider.mdx."""
    if native := _native(use):
        return _typed(use, "LobeChat: Settings, AI Service Provider", [("Provider", CHAT_CLIENTS_CALL[native])])
    rows = [("Provider", "OpenAI"), ("API Proxy URL", _base_for_clients(use))]
    return _typed(use, "LobeChat: Settings, AI Service Provider (on a server of your own: OPENAI_PROXY_URL)", rows)


def _base_for_clients(use: Use) -> str:
    if base := openai_base(use):
        return base
    raise InvalidInput(f"chat clients cannot use {use.ref}: it does not speak OpenAI's API", "keyvault snippet --lang python")


def _typed(use: Use, place: str, rows: list[tuple[str, str]]) -> str:
    rows = [*rows, ("API Key", f"paste it after: keyvault get {use.ref} --copy"), ("Model", f"MODEL: a name from {_docs(use)}")]
    return f"{place}\n" + "".join(f"  {name.ljust(14)}{text}\n" for name, text in rows)


LANGS: dict[str, Callable[[Use], str]] = {
    "python": python,
    "r": r,
    "node": node,
    "curl": curl,
    "shell": shell,
    "env": env,
    "chatbox": chatbox,
    "lobechat": lobechat,
}
