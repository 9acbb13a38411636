from __future__ import annotations

import os
import time

from keyvault.store.files import write_private


def test_what_a_killed_writer_left_is_removed_by_the_next_one_but_not_what_another_writes_now(tmp_path: object) -> None:
    folder = str(tmp_path)
    names = (
        ".out.env.0123456789ab.new",
        ".out.env.ba9876543210.new",
        ".other.0123456789ab.new",
        "mine.new",
        ".out.env.production.new",
    )
    for name in names:
        with open(os.path.join(folder, name), "w") as file:
            file.write("OPENAI_API_KEY=sk-left-behind\n")
    an_hour_ago = time.time() - 3600
    for name in (names[0], *names[2:]):
        os.utime(os.path.join(folder, name), (an_hour_ago, an_hour_ago))
    write_private(os.path.join(folder, "out.env"), b"A=1\n")
    assert sorted(os.listdir(folder)) == sorted(["out.env", *names[1:]])
