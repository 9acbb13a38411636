"""The entry point."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from keyvault.cli.app import main as click_main

    click_main()


if __name__ == "__main__":
    main()
