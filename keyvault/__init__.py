"""keyvault: an encrypted local vault for API keys.

    import keyvault

    keyvault.load_env()                  # like `keyvault env` in this folder, into os.environ
    keyvault.get("openai/work")          # one value

Importing this package reads and loads nothing; see `keyvault.api`.
"""

__all__ = ["ApiKey", "KeyvaultError", "Vault", "__version__", "get", "load_env", "open_vault"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keyvault.api import ApiKey, KeyvaultError, Vault, get, load_env, open_vault
    from keyvault.core.version import __version__


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in __all__:
        return getattr(import_module("keyvault.core.version" if name == "__version__" else "keyvault.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
