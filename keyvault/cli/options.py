"""Options that several commands have, each said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from keyvault.cli.given import GIVEN

as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
profile = click.option("--profile", metavar="P", help="A profile of the project in this folder; else KEYVAULT_PROFILE, if set.")
replace = click.option(
    "--replace", is_flag=True, help="Give keys that exist the values found; the old ones stay in their history."
)
for_how_long = click.option(
    "--for", "longest", type=GIVEN, metavar="SPAN", help="How long: 8h, 90min, 2d. Else what config.toml says, or 8h."
)

# of a new way to unlock
key_file = click.option("--key-file", type=GIVEN, metavar="FILE", help="Where the new key file goes.")
strong = click.option("--strong", is_flag=True, help="Make guessing the passphrase four times as expensive.")
insist = click.option("--insist", is_flag=True, help="Accept a weak passphrase, or a key file beside the vault.")
new_passphrase_file = click.option(
    "--new-passphrase-file", type=GIVEN, metavar="FILE", help="Take the new passphrase from a file."
)
recovery_file = click.option(
    "--recovery-file", type=GIVEN, metavar="FILE", help="Write the recovery code to a new file instead of the terminal."
)
no_recovery = click.option("--no-recovery", is_flag=True, help="Go without a recovery code.")


def timeout(seconds: float) -> Callable[[Any], Any]:
    """How long vendors may take. Which default counts is not imported here: that would load what talks to them."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0.1, 300),
        default=seconds,
        metavar="SECONDS",
        help="For each attempt; 10 if not said.",
    )
