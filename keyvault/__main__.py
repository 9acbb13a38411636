"""The entry point. The agent is asked first. Without one, `env` and `hook` as a shell calls them need no click, which would
double their cost."""

from __future__ import annotations

import gc
import os
import sys


def main(*, asked: bool = False) -> None:
    """Run the command line and exit. `asked`: the agent was asked already."""
    # Start-up makes thousands of objects that stay: looking through them for garbage, now and at exit, costs a tenth of `env`.
    gc.set_threshold(100_000)
    while sys.argv[1:2] == ["--asked"]:  # or not to be asked, as the native client found
        asked = True
        del sys.argv[1]
    try:
        code = _run(sys.argv[1:], asked=asked)
    except KeyboardInterrupt:  # while modules were loaded
        code = 130
    if "click" not in sys.modules:
        # What these commands say is written, nothing of theirs is left to close, and taking the interpreter apart costs 2 ms.
        os._exit(code)
    gc.freeze()
    sys.exit(code)


def without_site() -> None:
    """Run the command line that the agent did not answer, in an interpreter that was started without `site`."""
    import site

    from keyvault.core import settings

    site.main()
    folder = os.path.dirname(os.path.abspath(__file__))
    if folder.startswith((site.getuserbase() or "\0") + os.sep):  # which an isolated interpreter leaves out
        own = ["-P"] if settings.variable("PYTHONUSERBASE") else ["-E", "-P"]
        words = [sys.executable, *own, os.path.join(folder, "__main__.py"), "--asked", *sys.argv[1:]]
        os.execv(sys.executable, words)  # noqa: S606
    sys.argv[0] = "keyvault"
    main(asked=True)


def _run(words: list[str], *, asked: bool) -> int:
    if words == ["--version"]:
        from keyvault.cli import version

        return version.show()
    if words[:2] == ["agent", "--take-over"]:
        if sys.platform == "win32":
            from keyvault.cli import pipe_serving as serving
        else:
            from keyvault.cli import serving
        return serving.take_over(in_foreground=words[2:] == ["--foreground"])
    if sys.platform != "win32" and not asked:
        from keyvault.agent import client

        if (code := client.ask(words)) is not None:
            return code
    from keyvault.cli import quick

    return quick.run(words)


if __name__ == "__main__":
    main()
