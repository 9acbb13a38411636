"""How people name a key: `provider/label`."""

import re
from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.core.text import escape

DEFAULT_LABEL = "default"
_PART = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"  # compiled where a name is read, which `env` often need not do
_LONGEST_VARIABLE = 255

# Names that steer a program loader, an interpreter or a shell. A key never needs one of them, and a
# hostile project file that maps a key to one would run code.
_LOADER_NAMES = frozenset(
    "PATH ENV BASH_ENV BASHOPTS SHELLOPTS SHELL IFS PS1 PS4 PROMPT_COMMAND HOME USER LOGNAME TMPDIR TEMP TMP "
    "CDPATH FPATH ZDOTDIR EDITOR VISUAL PAGER BROWSER TERM TERMINFO LOCPATH NLSPATH HOSTALIASES "
    "NODE_OPTIONS NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH RUBYOPT RUBYLIB "
    "R_HOME R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER R_LIBS R_LIBS_USER R_LIBS_SITE "
    "LUA_INIT LUA_PATH LUA_CPATH PHPRC PHP_INI_SCAN_DIR GCONV_PATH GETCONF_DIR MALLOC_CHECK_ "
    "COMSPEC PATHEXT SYSTEMROOT WINDIR PSMODULEPATH OPENSSL_CONF OPENSSL_MODULES SSLKEYLOGFILE "
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE CURL_HOME "
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY FTP_PROXY PWD OLDPWD SHLVL".split()
)
_LOADER_PREFIXES = (
    "LD_",
    "DYLD_",
    "PYTHON",
    "BASH_FUNC_",
    "GIT_",
    "PERL",
    "KEYVAULT_",
    "GLIBC_",
    "NIX_LD",
    "LUA_INIT_",
)


class KeyRef(NamedTuple):
    """`provider/label`; ASCII lower case, each part 1 to 64 characters."""

    provider: str
    label: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.label}"


def parse_ref(text: str) -> KeyRef:
    """Read `provider/label`; a bare `provider` means `provider/default`.

    Raises InvalidInput.
    """
    provider, slash, label = text.partition("/")
    if not slash:
        label = DEFAULT_LABEL
    for part in (provider, label):
        if not re.fullmatch(_PART, part):
            if is_variable(text):
                raise InvalidInput(
                    f"{text} is a variable, not the name of a key", f"keyvault list {text} tells which key has it"
                )
            raise InvalidInput(
                f"{quoted(text)} is not a key name",
                "names look like openai or openai/work: a-z, 0-9, dot, dash and underscore, at most 64 characters a part",
            )
    return KeyRef(provider, label)


def quoted(text: str) -> str:
    """A mistyped name as an error may repeat it; what could be a key given in its place is not repeated."""
    return "what was given" if any(map(could_be_value, text.split("/"))) else f'"{escape(text[:80])}"'


def could_be_value(text: str) -> bool:
    """Long and with a digit in it, as keys are."""
    return len(text) >= 20 and any(c.isdigit() for c in text)


def is_variable(text: str) -> bool:
    """Plainly the name of a variable such as ACME_API_KEY, and nothing that could be a value."""
    return text.isidentifier() and text.isascii() and text.isupper() and "_" in text and not could_be_value(text)


def is_field(name: str) -> bool:
    """Whether a key may have a field of that name. Messages tell people to type it, so nothing else may stand there."""
    return 0 < len(name) <= 64 and name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()


def check_variable(name: str) -> str:
    """Return `name` if a key may be exported under it.

    Raises InvalidInput for what is not a variable name, and for names that steer a loader or a shell.
    """
    if not (name.isascii() and name.isidentifier() and len(name) <= _LONGEST_VARIABLE):
        raise InvalidInput(
            f"{quoted(name)} is not a variable name",
            "use letters, digits and underscore, not starting with a digit",
        )
    upper = name.upper()
    if upper in _LOADER_NAMES or upper.startswith(_LOADER_PREFIXES):
        raise InvalidInput(
            f"{name} steers how programs are loaded or run, so no key may be exported under it",
            "choose another --env name",
        )
    return name
