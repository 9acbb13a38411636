"""The entry point. `env` and `hook` as a shell calls them are answered without importing click, which would double its cost."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit."""
    # Start-up makes thousands of objects that stay: looking through them for garbage, now and at exit, costs a tenth of `env`.
    gc.set_threshold(100_000)
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were loaded
        code = 130
    gc.freeze()
    sys.exit(code)


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        from keyvault.cli import version

        return version.show()
    if words[:1] == ["env"]:
        from keyvault.cli import quick

        if (request := quick.parse_env(words[1:])) is not None:
            return quick.env(*request)
    if words[:1] == ["hook"]:
        from keyvault.cli import quick

        if (asked := quick.parse_hook(words[1:])) is not None:
            return quick.hook(*asked)
    from keyvault.cli import app

    return app.run(words)


if __name__ == "__main__":
    main()
