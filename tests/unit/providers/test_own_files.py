"""A person's own vendor files: where they may lie, who may have written them, and what they may say."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from internet import Internet, Reply, as_json
from vaults import VaultHome

KEY = "CanaryKey-7f3Qz-wombat-quartz"
MINE = """\
id = "mine"
name = "My gateway"
variables = ["MINE_API_KEY"]
base_url = "https://gateway.example/v1"

[[checks]]
urls = ["https://gateway.example/v1/models"]
headers = { Authorization = "Bearer {key}" }
"""


class Home(VaultHome):
    """A home with a config folder of its own."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"XDG_CONFIG_HOME": os.path.join(self.folder, "config")}

    @property
    def providers(self) -> Path:
        return Path(self.folder) / "config" / "keyvault" / "providers"

    def put(self, name: str, text: str, mode: int = 0o600) -> Path:
        self.providers.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.providers / name
        path.write_text(text)
        path.chmod(mode)
        return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    home = Home(str(folder))
    home.create()
    return home


# ---------------------------------------------------------------- providers new


def test_new_writes_a_private_file_that_works_at_once(home: Home, tmp_path: Path) -> None:
    words = ("providers", "new", "my-gateway", "--base-url", "https://gateway.example/v1/", "--name", "My gateway")
    done = home.run(*words, "--env", "MY_KEY")
    path = home.providers / "my-gateway.toml"
    assert done.stdout.decode().splitlines() == [str(path)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.providers.stat().st_mode) == 0o700
    assert "My gateway (own)" in home.run("providers").stdout.decode()
    told = home.run("providers", "my gateway").stdout.decode()
    for fact in (str(path), "MY_KEY", "https://gateway.example/v1/models"):
        assert fact in told

    home.run("add", "my-gateway", "--stdin", stdin=KEY.encode())
    assert home.run("env", "--format", "json").stdout.decode().count("MY_KEY") == 1
    net = Internet(tmp_path)
    net.hosts["gateway.example"] = lambda asked: as_json(
        200 if asked.headers.get("authorization") == f"Bearer {KEY}" else 401, {}
    )
    try:
        result = json.loads(home.run("check", "--json", env=net.environment()).stdout)["results"][0]
        assert (result["verdict"], result["usable"]) == ("valid", True)
        assert [asked.path for asked in net.asked] == ["/v1/models"] * 2, "with the key, and without"
    finally:
        net.close()


def test_new_names_the_variable_after_the_vendor(home: Home) -> None:
    home.run("providers", "new", "one.api-2", "--base-url", "http://localhost:3000/v1")
    assert 'variables = ["ONE_API_2_API_KEY"]' in (home.providers / "one.api-2.toml").read_text()


def test_new_does_not_write_over_what_is_there(home: Home) -> None:
    path = home.put("mine.toml", MINE)
    done = home.run("providers", "new", "mine", "--base-url", "https://other.example/v1", code=1)
    assert str(path).encode() in done.stderr
    assert path.read_text() == MINE
    os.symlink("/etc/hostname", home.providers / "link.toml")
    home.run("providers", "new", "link", "--base-url", "https://other.example/v1", code=1)


def test_new_says_why_its_folder_cannot_be_made(home: Home, tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_text("")
    words = ("providers", "new", "mine", "--base-url", "https://other.example/v1")
    done = home.run(*words, env={"XDG_CONFIG_HOME": str(tmp_path / "no-folder")}, code=1)
    assert b"no-folder/keyvault/providers: not a directory" in done.stderr


@pytest.mark.parametrize(
    "name", ["Mine", "mi ne", "../mine", "mine/x", "-mine", "mine-", "m" * 65, ".", "míne", "mine\n", "a\x1bb"]
)
def test_new_takes_no_name_that_no_key_could_have(name: str, home: Home) -> None:
    done = home.run("providers", "new", "--base-url", "https://gateway.example/v1", "--", name, code=2)
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert not home.providers.exists() or os.listdir(home.providers) == []
    assert not (home.providers.parent / "mine.toml").exists()


@pytest.mark.parametrize(
    "url",
    [
        *("http://gateway.example/v1", "http://192.168.1.5:3000/v1", "http://localhost.evil.example/v1", "http://127.0.0.2/v1"),
        *(
            "https://user:password@gateway.example/v1",
            "https://user@gateway.example/v1",
            "ftp://gateway.example",
            "gateway.example",
        ),
        *("", "https://", "https://gate way.example/", "https://gateway.example:99999/", 'https://x.example/"', "https://x/\\"),
        *("https://gäteway.example/v1", "https://x.example/\n[[checks]]", "{key}", "https://{key}.example/"),
    ],
)
def test_new_takes_no_address_that_no_key_may_go_to(url: str, home: Home) -> None:
    done = home.run("providers", "new", "mine", "--base-url", url, code=2)
    assert b"internal error" not in done.stderr
    assert b"password" not in done.stderr
    assert not home.providers.exists() or os.listdir(home.providers) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--name", 'My "gateway"'),
        ("--name", "x\\"),
        ("--name", "x\ny"),
        ("--name", "x\x1b[31m"),
        ("--name", "n" * 65),
        ("--env", "PATH"),
        ("--env", "LD_PRELOAD"),
        ("--env", "MY-KEY"),
        ("--env", 'X"]\n'),
    ],
)
def test_new_takes_no_name_or_variable_that_could_change_the_file_or_the_shell(words: tuple[str, str], home: Home) -> None:
    done = home.run("providers", "new", "mine", "--base-url", "https://gateway.example/v1", *words, code=2)
    assert b"internal error" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert not home.providers.exists() or os.listdir(home.providers) == []


# ---------------------------------------------------------------- what a file may be


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def link(path: Path) -> None:
    real = path.with_name("real.txt")
    path.rename(real)
    path.symlink_to(real)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def huge(path: Path) -> None:
    path.write_text(MINE + "# " + "x" * 70_000)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.chmod(0o620), "can be changed by other users"),
        (lambda path: path.chmod(0o602), "can be changed by other users"),
        (lambda path: path.chmod(0o666), "can be changed by other users"),
        (link, "is a symbolic link"),
        (fifo, "is not a plain file"),
        (folder, "is not a plain file"),
        (huge, "is larger than"),
    ],
    ids=["group writes", "others write", "all write", "link", "fifo", "folder", "huge"],
)
def test_a_file_that_somebody_else_could_have_written_is_refused(
    spoil: Callable[[Path], None], reason: str, home: Home
) -> None:
    path = home.put("mine.toml", MINE)
    spoil(path)
    done = home.run("providers", "mine", code=1)
    assert reason in done.stderr.decode()
    assert str(path) in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(home: Home) -> None:
    path = home.put("mine.toml", MINE)
    os.chown(path, 12345, -1)
    assert b"can be changed by other users" in home.run("providers", "mine", code=1).stderr


def test_a_file_that_others_may_read_is_taken(home: Home) -> None:
    home.put("mine.toml", MINE, 0o644)
    assert b"My gateway" in home.run("providers", "mine").stdout


CHECKS = MINE.partition("[[checks]]")[0] + "[[checks]]\n"

WRONG = {
    "broken TOML": (MINE + "x = [1,,]\n", "line 9"),
    "no text": ("\x00", "Invalid statement"),
    "a key that is not known": (MINE.replace("base_url", "base_ulr"), "base_ulr"),
    "a key that is not known in a check": (MINE + 'ulrs = ["https://x.example"]\n', "ulrs"),
    "a key that is not known in a rule": (MINE + 'rules = [{ status = 403, verdikt = "valid" }]\n', "$.checks[0].rules[0]"),
    "a wrong type": (MINE.replace('["MINE_API_KEY"]', '"MINE_API_KEY"'), "$.variables"),
    "a status that is none": (MINE + 'rules = [{ status = 42, verdict = "valid" }]\n', "$.checks[0].rules[0].status"),
    "a verdict that is none": (MINE + 'rules = [{ status = 403, verdict = "splendid" }]\n', "$.checks[0].rules[0].verdict"),
    "a confidence that is none": (MINE.replace("name =", 'confidence = "utter"\nname ='), "$.confidence"),
    "no variables": (MINE.replace('["MINE_API_KEY"]', "[]"), "$.variables"),
    "a variable with blanks": (MINE.replace("MINE_API_KEY", "MINE KEY"), "$.variables[0]"),
    "another id": (MINE.replace('"mine"', '"other"'), "says id = other"),
    "no id": (MINE.replace('id = "mine"\n', ""), "`id`"),
    "a check in clear": (MINE.replace("https://gateway.example/v1/models", "http://gateway.example/v1/models"), "$.checks[0]"),
    "a check with a password": (
        MINE.replace("https://gateway.example/v1/m", "https://u:p@gateway.example/v1/m"),
        "$.checks[0]",
    ),
    "a check at the key's host": (MINE.replace("https://gateway.example/v1/m", "https://{key}.example/m"), "$.checks[0]"),
    "a base URL in clear": (MINE.replace('base_url = "https', 'base_url = "http'), "https"),
    "a field that is not there": (MINE.replace("Bearer {key}", "Bearer {token}"), "{token} is no field"),
    "an expression that does not compile": (MINE + '[[patterns]]\nkind = "x"\nregex = "["\n', "$.patterns[0]"),
    "a check without an address": (CHECKS + 'headers = { X = "{key}" }\n', "$.checks[0]"),
    "a header's line end": (MINE.replace("Bearer {key}", "Bearer {key}\\nHost: x"), "$.checks[0].headers"),
    "a balance without a unit": (
        MINE + '[[balances]]\nscope = "a"\nurls = ["https://gateway.example/b"]\namount = "x"\n',
        "$.bal",
    ),
    "deep nesting": ("x = " + "[" * 5000, ""),
    "a number of thousands of digits": ("x = " + "9" * 5000, "digits"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_wrong_is_refused_with_its_name_and_the_place(what: str, home: Home) -> None:
    text, place = WRONG[what]
    path = home.put("mine.toml", text)
    done = home.run("providers", "mine", code=2)
    told = done.stderr.decode()
    assert f"{path} " in told
    assert place in told
    assert "internal error" not in told
    assert len(told.splitlines()) == 2, "an error and a hint"


def test_an_error_in_a_file_shows_nothing_invisible(home: Home) -> None:
    home.put("mine.toml", MINE.replace('"mine"', '"m\\u001b[31m\\u202e"'))
    told = home.run("providers", "mine", code=2).stderr.decode()
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_a_wrong_file_sends_no_key_anywhere(home: Home, tmp_path: Path) -> None:
    """With a file for `openai` that cannot be used, the key is not sent by our file's rules either."""
    home.run("add", "openai", "--stdin", stdin=KEY.encode())
    home.put("openai.toml", MINE.replace('"mine"', '"openai"').replace("https://", "http://"))
    net = Internet(tmp_path)
    net.hosts["api.openai.com"] = lambda asked: Reply(200)
    try:
        assert b"openai.toml" in home.run("check", env=net.environment(), code=2).stderr
        assert net.connects == []
    finally:
        net.close()


# ---------------------------------------------------------------- overriding, and where files are not read


def test_an_own_file_wins_over_ours_and_is_shown_as_own(home: Home, tmp_path: Path) -> None:
    own = MINE.replace('"mine"', '"openai"').replace("MINE_API_KEY", "OPENAI_API_KEY").replace("My gateway", "My OpenAI")
    path = home.put("openai.toml", own)
    assert "My OpenAI (own)" in home.run("providers").stdout.decode()
    assert str(path) in home.run("providers", "openai").stdout.decode()
    home.run("add", "openai", "--stdin", stdin=KEY.encode())
    net = Internet(tmp_path)
    net.hosts["api.openai.com"] = net.hosts["gateway.example"] = lambda asked: Reply(200)
    try:
        home.run("check", env=net.environment())
        assert set(net.connects) == {"gateway.example:443"}
    finally:
        net.close()
    path.unlink()
    assert "(own)" not in home.run("providers").stdout.decode()


def test_no_file_of_a_project_is_read(home: Home) -> None:
    """Commands run in `home.folder`; a hostile checkout could hold any of these."""
    evil = MINE.replace('"mine"', '"openai"').replace("gateway.example", "thief.example")
    before = home.run("providers", "openai").stdout
    here = Path(home.folder)
    for place in (".keyvault", ".keyvault/providers", "providers", "keyvault/providers", ".config/keyvault", ".", "vendors"):
        (here / place).mkdir(parents=True, exist_ok=True)
        (here / place / "openai.toml").write_text(evil)
        (here / place / "stranger.toml").write_text(MINE.replace('"mine"', '"stranger"'))
    assert home.run("providers", "openai").stdout == before
    assert b"stranger" not in home.run("providers").stdout
    home.run("providers", "stranger", code=3)


def test_the_vault_s_folder_holds_no_vendor_files(home: Home) -> None:
    folder = Path(home.home) / "providers"
    folder.mkdir()
    (folder / "stranger.toml").write_text(MINE.replace('"mine"', '"stranger"'))
    assert b"stranger" not in home.run("providers").stdout
