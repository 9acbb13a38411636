"""The entry point. `env` as a shell calls it is answered without importing click, which would double its cost."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit."""
    words = sys.argv[1:]
    if words == ["--version"]:
        from keyvault.cli import quick

        sys.exit(quick.version())
    if words[:1] == ["env"]:
        from keyvault.cli import quick

        if (request := quick.parse_env(words[1:])) is not None:
            sys.exit(quick.env(*request))
    from keyvault.cli.app import run

    sys.exit(run(words))


if __name__ == "__main__":
    main()
