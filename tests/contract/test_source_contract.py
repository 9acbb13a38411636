"""What holds for every kind of source: real samples, hostile ones, lines that are right, and taking out what was taken in.

The samples are as the tools' documentation has them; those of fish, R, llm, pass and KeePassXC are made by the real programs
in tests/shells/test_real_sources.py.
"""

# ruff: noqa: E501 - samples are lines as they are

from __future__ import annotations

import json
import os
import random
import re
import string
from collections import Counter

import pytest
from people import write
from vaults import VaultHome

from keyvault.core.errors import KeyvaultError
from keyvault.discover import sources, text_file
from keyvault.discover.clean import held, prepare
from keyvault.discover.found import Found
from keyvault.discover.plan import plan, take_in
from keyvault.discover.reading import read_one
from keyvault.discover.sources.base import Gone

A, B = "sk-aaaaaaaaaa1111111111", "gsk_bbbbbbbbbb2222222222"
AWS_ID, AWS_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class SourceContract:
    """Every kind of source inherits these tests. `expected`: variable (or empty), value, line, vendor, label."""

    kind = ""
    name = ""
    sample = ""
    expected: tuple[tuple[str, str, int, str, str], ...] = ()
    cleaned = ""  # the sample without all that can be taken out
    references = ""  # more of the same syntax that holds no literal value

    @pytest.fixture
    def path(self, tmp_path: os.PathLike[str]) -> str:
        path = os.path.join(str(tmp_path), self.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return write(path, self.sample.encode())

    def found(self, text: str) -> list[Found]:
        return sources.text_source(self.kind).read(text_file.decode(self.name, text.encode())).found

    def test_it_is_recognised_by_name_and_content(self, path: str) -> None:
        assert sources.recognise(text_file.read(path)).kind == self.kind

    def test_a_real_sample_is_read_with_its_lines(self, path: str) -> None:
        reading = read_one(path)
        assert [(f.variable, f.value.reveal(), f.line, f.provider, f.label) for f in reading.found] == list(self.expected)
        lines = self.sample.splitlines()
        for found in reading.found:
            if found.cut:
                assert self.sample[slice(*found.cut)].splitlines()[0] in lines[found.line - 1]

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        before = [f.value.reveal() for f in self.found(self.sample)]
        assert [f.value.reveal() for f in self.found(self.sample + self.references)] == before

    def test_taking_out_leaves_every_other_character(self, path: str) -> None:
        file = text_file.read(path)
        source = sources.text_source(self.kind)
        gone = [Gone(f, "x/y") for f in source.read(file).found if f.cut]
        text = source.without(file.text, gone)
        assert text == self.cleaned
        assert not any(item.found.value.reveal() in text for item in gone)

    def test_any_of_the_values_can_be_taken_out_alone(self, path: str) -> None:
        file = text_file.read(path)
        source = sources.text_source(self.kind)
        before = source.read(file).found
        for found in before:
            if found.cut:
                text = source.without(file.text, [Gone(found, "x/y")])
                after = Counter((f.variable, f.value.reveal()) for f in source.read(file._replace(text=text)).found)
                assert after == Counter((f.variable, f.value.reveal()) for f in before) - Counter(
                    [(found.variable, found.value.reveal())]
                )

    def test_windows_line_endings_stay(self) -> None:
        source = sources.text_source(self.kind)
        file = text_file.decode(self.name, self.sample.replace("\n", "\r\n").encode())
        found = source.read(file).found
        assert [f.line for f in found] == [line for _, _, line, _, _ in self.expected]
        text = source.without(file.text, [Gone(f, "x/y") for f in found if f.cut])
        assert text.replace("\r\n", "").count("\n") == 0

    def test_import_then_export_gives_the_same_values_and_cleaning_finds_them(
        self, path: str, tmp_path: os.PathLike[str]
    ) -> None:
        vault = VaultHome(str(tmp_path) + "/home")
        os.makedirs(vault.folder)
        opened = vault.create()
        planned, unclaimed = plan(opened, read_one(path).found, replace=False)
        take_in(opened, planned, 1_790_000_000)
        assert unclaimed == []
        values = {v for item in planned for v in opened.open_key(str(item.ref))[1].values()}
        assert values == {value for _, value, _, _, _ in self.expected}
        cleaning = prepare(path, "", held(opened, planned))
        assert cleaning
        assert re.sub(r"(?<=: keyvault )\S+", "x/y", cleaning.after.decode()) == self.cleaned
        opened.store.close()

    def test_a_damaged_sample_is_read_or_refused(self) -> None:
        chance = random.Random(self.name)
        for _ in range(150):
            damaged = bytearray(self.sample.encode())
            for _ in range(chance.randint(1, 8)):
                at = chance.randrange(len(damaged) + 1)
                new = bytes(chance.choice(b"\"'\\${}[]=:# \n\t<(;`\x80\xff") for _ in range(chance.randint(0, 3)))
                damaged[at : at + chance.randint(0, 4)] = new
            self.read_or_refused(bytes(damaged))
            self.read_or_refused(chance.randbytes(chance.randint(0, 60)))

    def read_or_refused(self, data: bytes) -> None:
        """Nothing but our own errors; and what can be taken out leaves the rest as it was."""
        source = sources.text_source(self.kind)
        try:
            file = text_file.decode(self.name, data)
            found = source.read(file).found
        except KeyvaultError:
            return
        for one in found:
            if one.cut:
                assert 0 <= one.cut[0] < one.cut[1] <= len(file.text)

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize(
        "text",
        [
            "[" * 100_000,
            "{" * 100_000,
            '{"a":' * 100_000,
            "a: " * 50_000,
            "<<x\n" * 20_000,
            "'\\" * 100_000,
            "=" * 300_000,
            "\t" * 200_000,
            "a=" * 100_000,
            '"' * 100_001,
            "${" * 100_000,
            "$'" * 100_000,
            "#\n" * 20_000,
            "a\n" * 20_000,
        ],
    )
    def test_hostile_text_ends_soon(self, text: str) -> None:
        self.read_or_refused(text.encode())
        self.read_or_refused((self.sample + text).encode())


class TestDotenv(SourceContract):
    kind, name = "dotenv", ".env"
    sample = f"# mine\n\nOPENAI_API_KEY='{A}' # work\nexport GROQ_API_KEY={B}\n\nMISTRAL_API_KEY=\"two\\nlines-of-it\"\n"
    expected = (
        ("OPENAI_API_KEY", A, 3, "", ""),
        ("GROQ_API_KEY", B, 4, "", ""),
        ("MISTRAL_API_KEY", "two\nlines-of-it", 6, "", ""),
    )
    cleaned = "# mine\n\n# work\n\n"
    references = "X_KEY=${HOME}\nEMPTY=\n"


class TestPosix(SourceContract):
    kind, name = "shell", ".bashrc"
    sample = (
        f'# mine\nHISTSIZE=1000\nexport OPENAI_API_KEY={A} # work\nif true; then\n  export GROQ_API_KEY="{B}"\nfi\n'
        "MISTRAL_API_KEY='it'\\''s mine, really'; export MISTRAL_API_KEY\ncat <<EOF\nexport TOGETHER_API_KEY=within-a-document\nEOF\n"
        "PS1='\\u@\\h $ '\nalias ll='ls -l'\n"
    )
    expected = (
        ("OPENAI_API_KEY", A, 3, "", ""),
        ("GROQ_API_KEY", B, 5, "", ""),
        ("MISTRAL_API_KEY", "it's mine, really", 7, "", ""),
    )
    cleaned = (
        "# mine\nHISTSIZE=1000\n# OPENAI_API_KEY: keyvault x/y # work\nif true; then\n  : # GROQ_API_KEY: keyvault x/y\nfi\n"
        "# MISTRAL_API_KEY: keyvault x/y\ncat <<EOF\nexport TOGETHER_API_KEY=within-a-document\nEOF\nPS1='\\u@\\h $ '\nalias ll='ls -l'\n"
    )
    references = 'export X_KEY=$Y\nexport Z_KEY=$(cat ~/z)\nW_KEY=`cat w`\nexport V_KEY="a${B}c-def-ghi"\n'


class TestFish(SourceContract):
    kind, name = "fish", "config.fish"
    sample = f"# mine\nset -gx OPENAI_API_KEY {A} # work\nif status is-login\n    set -Ux GROQ_API_KEY '{B}'\nend\nset -x MISTRAL_API_KEY \"it's mine, really\"\n"
    expected = (
        ("OPENAI_API_KEY", A, 2, "", ""),
        ("GROQ_API_KEY", B, 4, "", ""),
        ("MISTRAL_API_KEY", "it's mine, really", 6, "", ""),
    )
    cleaned = (
        "# mine\n# OPENAI_API_KEY: keyvault x/y # work\nif status is-login\n    # GROQ_API_KEY: keyvault x/y\nend\n"
        "# MISTRAL_API_KEY: keyvault x/y\n"
    )
    references = "set -gx X_KEY $Y\nset -gx Z_KEY (cat z)\nset -gx W_KEY one two three\n"


class TestFishVariables(SourceContract):
    kind, name = "fish-variables", "fish_variables"
    sample = (
        "# This file contains fish universal variable definitions.\n# VERSION: 3.0\nSETUVAR --export OPENAI_API_KEY:sk\\x2daaaaaaaaaa1111111111\n"
        "SETUVAR __fish_initialized:3400\nSETUVAR fish_color_normal:normal\n"
    )
    expected = (("OPENAI_API_KEY", A, 3, "", ""),)
    cleaned = (
        "# This file contains fish universal variable definitions.\n# VERSION: 3.0\nSETUVAR __fish_initialized:3400\n"
        "SETUVAR fish_color_normal:normal\n"
    )
    references = "SETUVAR X_KEY:\\x1d\nSETUVAR Y_KEY:one\\x1etwo\n"


class TestPowerShell(SourceContract):
    kind, name = "powershell", "Microsoft.PowerShell_profile.ps1"
    sample = (
        f"# mine\n$env:OPENAI_API_KEY = '{A}' # work\n${{env:GROQ_API_KEY}} = \"{B}\";\n"
        "[Environment]::SetEnvironmentVariable('MISTRAL_API_KEY', 'it''s mine, really', 'User')\nSet-Alias ll Get-ChildItem\n"
    )
    expected = (
        ("OPENAI_API_KEY", A, 2, "", ""),
        ("GROQ_API_KEY", B, 3, "", ""),
        ("MISTRAL_API_KEY", "it's mine, really", 4, "", ""),
    )
    cleaned = "# mine\n# OPENAI_API_KEY: keyvault x/y # work\n# GROQ_API_KEY: keyvault x/y\n# MISTRAL_API_KEY: keyvault x/y\nSet-Alias ll Get-ChildItem\n"
    references = '$env:X_KEY = $y\n$env:Z_KEY = "a$($b)c-def-ghi"\n$env:W_KEY = Get-Content w\n'


class TestCmd(SourceContract):
    kind, name = "cmd", "keys.cmd"
    sample = f'@echo off\nset OPENAI_API_KEY={A}\nset "GROQ_API_KEY={B}"\nsetx MISTRAL_API_KEY "one two three"\nsetx TOGETHER_API_KEY {A}x\n'
    expected = (
        ("OPENAI_API_KEY", A, 2, "", ""),
        ("GROQ_API_KEY", B, 3, "", ""),
        ("MISTRAL_API_KEY", "one two three", 4, "", ""),
        ("TOGETHER_API_KEY", A + "x", 5, "", ""),
    )
    cleaned = "@echo off\n" + "".join(f"rem {name}: keyvault x/y\n" for name, *_ in expected)
    references = "set X_KEY=%Y%\nset /p Z_KEY=key?\n"


class TestRenviron(SourceContract):
    kind, name = "renviron", ".Renviron"
    sample = f"# mine\nOPENAI_API_KEY={A}\nGROQ_API_KEY='{B}'\nR_LIBS_USER=~/R\nMISTRAL_API_KEY=\"it's mine, really\"\n"
    expected = (
        ("OPENAI_API_KEY", A, 2, "", ""),
        ("GROQ_API_KEY", B, 3, "", ""),
        ("MISTRAL_API_KEY", "it's mine, really", 5, "", ""),
    )
    cleaned = "# mine\n# OPENAI_API_KEY: keyvault x/y\n# GROQ_API_KEY: keyvault x/y\nR_LIBS_USER=~/R\n# MISTRAL_API_KEY: keyvault x/y\n"
    references = "X_KEY=${HOME}\nY_KEY=${Z-abcdefghi}\n"


class TestCsh(SourceContract):
    kind, name = "csh", ".cshrc"
    sample = f"# mine\nsetenv OPENAI_API_KEY {A}\nsetenv GROQ_API_KEY '{B}' # work\nalias ll ls -l\n"
    expected = (("OPENAI_API_KEY", A, 2, "", ""), ("GROQ_API_KEY", B, 3, "", ""))
    cleaned = "# mine\n# OPENAI_API_KEY: keyvault x/y\n# GROQ_API_KEY: keyvault x/y # work\nalias ll ls -l\n"
    references = "setenv X_KEY $Y\nsetenv Z_KEY `cat z`\n"


class TestNushell(SourceContract):
    kind, name = "nushell", "env.nu"
    sample = f"# mine\n$env.OPENAI_API_KEY = \"{A}\"\n$env.GROQ_API_KEY = '{B}' # work\n$env.config.show_banner = false\n"
    expected = (("OPENAI_API_KEY", A, 2, "", ""), ("GROQ_API_KEY", B, 3, "", ""))
    cleaned = "# mine\n# OPENAI_API_KEY: keyvault x/y\n# GROQ_API_KEY: keyvault x/y # work\n$env.config.show_banner = false\n"
    references = "$env.X_KEY = (open z)\n"


class TestJson(SourceContract):
    kind, name = "json", "secrets.json"
    sample = f'{{\n  "OPENAI_API_KEY": "{A}", // work\n  "port": 3000,\n  "nested": {{"groqApiKey": "{B}", "list": [1, "x"]}},\n  "acme": {{"token": "tttttttttttt"}}\n}}\n'
    expected = (("OPENAI_API_KEY", A, 2, "", ""), ("GROQ_API_KEY", B, 4, "", ""), ("TOKEN", "tttttttttttt", 5, "", ""))
    cleaned = '{\n   // work\n  "port": 3000,\n  "nested": {"list": [1, "x"]},\n  "acme": {}\n}\n'

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        assert (
            self.found('{"X_KEY": "${env:X}", "Y_KEY": "your-key-here", "OPENAI_API_KEY": "", "path": "~/keys/of/mine"}') == []
        )


class TestMcp(SourceContract):
    kind, name = "mcp", "claude_desktop_config.json"
    sample = f"""{{
  "mcpServers": {{
    "github": {{
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-github"],
      "env": {{
        "GITHUB_PERSONAL_ACCESS_TOKEN": "{B}",
        "LOG": "debug"
      }}
    }},
    "remote": {{
      "url": "https://example.invalid/mcp",
      "headers": {{ "Authorization": "Bearer {A}" }}
    }}
  }}
}}
"""
    expected = (("GITHUB_PERSONAL_ACCESS_TOKEN", B, 7, "", ""), ("REMOTE_TOKEN", A, 13, "", "remote"))
    cleaned = sample.replace(f'        "GITHUB_PERSONAL_ACCESS_TOKEN": "{B}",\n', "").replace(
        f'"Authorization": "Bearer {A}"', ""
    )

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        text = '{"mcpServers": {"x": {"args": ["--key"], "env": {"X_KEY": "${input:key}"}, "headers": {"Authorization": "Bearer ${T}"}}}}'
        assert self.found(text) == []


class TestLlm(SourceContract):
    kind, name = "llm", "io.datasette.llm/keys.json"
    sample = f'{{\n  "// Note": "This file stores secret API credentials. Do not share!",\n  "openai": "{A}",\n  "gemini": "{B}",\n  "mine": "mmmmmmmmmmmmmmmm"\n}}\n'
    expected = (
        ("OPENAI_API_KEY", A, 3, "openai", ""),
        ("GEMINI_API_KEY", B, 4, "google-gemini", ""),
        ("MINE_API_KEY", "mmmmmmmmmmmmmmmm", 5, "", "mine"),
    )
    cleaned = '{\n  "// Note": "This file stores secret API credentials. Do not share!"\n}\n'

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        assert self.found('{"// Note": "x", "openai": ""}') == []


class TestToml(SourceContract):
    kind, name = "toml", "secrets.toml"
    sample = f'# mine\nOPENAI_API_KEY = "{A}" # work\n\n[connections.acme]\nhost = "h"\napi_key = \'{B}\'\n'
    expected = (("OPENAI_API_KEY", A, 2, "", ""), ("API_KEY", B, 6, "", ""))
    cleaned = '# mine\n# work\n\n[connections.acme]\nhost = "h"\n'
    references = 'X_KEY = "${X}"\n'


class TestYaml(SourceContract):
    kind, name = "yaml", "config.yaml"
    sample = f"# mine\nOPENAI_API_KEY: {A} # work\nmodels:\n  - name: x\n    apiKey: '{B}'\n    port: 3000\n"
    expected = (("OPENAI_API_KEY", A, 2, "", ""), ("API_KEY", B, 5, "", ""))
    cleaned = "# mine\n# work\nmodels:\n  - name: x\n    port: 3000\n"
    references = "X_KEY: ${X}\n"

    def test_aliases_are_refused(self) -> None:
        bomb = "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*a, *a]\n" for n in string.ascii_lowercase[1:])
        with pytest.raises(KeyvaultError, match="aliases"):
            self.found(bomb)


class TestGh(SourceContract):
    kind, name = "gh", "gh/hosts.yml"
    sample = (
        f"github.com:\n    users:\n        alice:\n            oauth_token: {A}\n        bob:\n            oauth_token: {B}\n"
        f"    git_protocol: https\n    user: alice\n    oauth_token: {A}\n"
    )
    expected = (("", A, 4, "github", ""), ("", B, 6, "github", "bob"), ("", A, 9, "github", ""))
    cleaned = "github.com:\n    users:\n        alice:\n        bob:\n    git_protocol: https\n    user: alice\n"


class TestAws(SourceContract):
    kind, name = "aws", ".aws/credentials"
    sample = (
        f"# mine\n[default]\naws_access_key_id = {AWS_ID}\naws_secret_access_key = {AWS_SECRET}\nregion = eu-west-1\n\n"
        f"[work]\naws_access_key_id=AKIAQQQQQQQQQQQQQQQQ\naws_secret_access_key={AWS_SECRET}2\n"
    )
    expected = (
        ("AWS_ACCESS_KEY_ID", AWS_ID, 3, "aws", ""),
        ("AWS_SECRET_ACCESS_KEY", AWS_SECRET, 4, "aws", ""),
        ("AWS_REGION", "eu-west-1", 5, "aws", ""),
        ("AWS_ACCESS_KEY_ID", "AKIAQQQQQQQQQQQQQQQQ", 8, "aws", "work"),
        ("AWS_SECRET_ACCESS_KEY", AWS_SECRET + "2", 9, "aws", "work"),
    )
    cleaned = "# mine\n[default]\nregion = eu-west-1\n\n[work]\n"

    def test_a_profile_is_a_key_with_its_parts(self, path: str, tmp_path: os.PathLike[str]) -> None:
        vault = VaultHome(str(tmp_path) + "/home")
        os.makedirs(vault.folder)
        opened = vault.create()
        planned, _ = plan(opened, read_one(path).found, replace=False)
        assert [(str(p.ref), sorted(p.fields)) for p in planned] == [
            ("aws/default", ["region", "secret_access_key"]),
            ("aws/work", ["secret_access_key"]),
        ]
        opened.store.close()


class TestNpmrc(SourceContract):
    kind, name = "npmrc", ".npmrc"
    sample = f"registry=https://registry.npmjs.org/\n//registry.npmjs.org/:_authToken=npm_{'a' * 36}\n; work\n//npm.acme.invalid/x/:_authToken = {A}\n"
    expected = (("NPM_TOKEN", "npm_" + "a" * 36, 2, "npm", ""), ("NPM_TOKEN", A, 4, "", "npm.acme.invalid"))
    cleaned = "registry=https://registry.npmjs.org/\n; work\n"
    references = "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n"


class TestPypirc(SourceContract):
    kind, name = "pypirc", ".pypirc"
    sample = (
        f"[distutils]\nindex-servers =\n    pypi\n    acme\n\n[pypi]\nusername = __token__\npassword = {A}\n\n"
        f"[acme]\nrepository = https://pypi.acme.invalid/legacy/\nusername = me\npassword = {B}\n"
    )
    expected = (("TWINE_PASSWORD", A, 8, "pypi", ""), ("TWINE_PASSWORD", B, 13, "", "pypi.acme.invalid"))
    cleaned = sample.replace(f"password = {A}\n", "").replace(f"password = {B}\n", "")


class TestNetrc(SourceContract):
    kind, name = "netrc", ".netrc"
    sample = f"# mine\nmachine api.github.com login me password {B}\nmachine api.openai.com\n  login x\n  password {A}\nmachine ftp.acme.invalid login me password other-secret\n"
    expected = (("", B, 2, "github", ""), ("", A, 5, "openai", ""))
    cleaned = "# mine\nmachine api.github.com login me \nmachine api.openai.com\n  login x\nmachine ftp.acme.invalid login me password other-secret\n"


class TestHuggingFace(SourceContract):
    kind, name = "huggingface", "huggingface/stored_tokens"
    sample = f"[work]\nhf_token = hf_{'a' * 34}\n\n[mine]\nhf_token = hf_{'b' * 34}\n\n"
    expected = (("", "hf_" + "a" * 34, 2, "huggingface", "work"), ("", "hf_" + "b" * 34, 5, "huggingface", "mine"))
    cleaned = "[work]\n\n[mine]\n\n"


class TestHuggingFaceToken(SourceContract):
    kind, name = "huggingface", "huggingface/token"
    sample = f"hf_{'a' * 34}"
    expected = (("", "hf_" + "a" * 34, 1, "huggingface", ""),)
    cleaned = ""

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        assert self.found("two words") == []


class TestBitwarden(SourceContract):
    kind, name = "bitwarden", "bitwarden_export_20261122.json"
    sample = json.dumps(
        {
            "encrypted": False,
            "folders": [{"id": "f1", "name": "APIs"}],
            "items": [
                {"id": "1", "folderId": "f1", "type": 1, "name": "OpenAI (work)", "notes": None, "favorite": False,
                 "fields": [{"name": "GROQ_API_KEY", "value": B, "type": 1}], "login": {"uris": [{"match": None, "uri": "https://platform.openai.com"}],
                 "username": "me", "password": "hunter2hunter2", "totp": None}, "collectionIds": None},
                {"id": "2", "folderId": None, "type": 1, "name": "Mistral API key", "notes": None, "login": {"uris": [], "username": None,
                 "password": A, "totp": None}},
                {"id": "3", "folderId": None, "type": 2, "name": "a note", "notes": "hello there", "secureNote": {"type": 0}},
            ],
        },
        indent=2,
    )  # fmt: skip
    expected = (("GROQ_API_KEY", B, 0, "openai", "work"), ("", A, 0, "mistral", ""))
    cleaned = sample

    def test_what_refers_to_something_else_is_not_read(self) -> None:
        with pytest.raises(KeyvaultError, match="encrypted export"):
            self.found('{"encrypted": true, "passwordProtected": true, "data": "x"}')


class TestCsv(SourceContract):
    kind, name = "csv", "export.csv"
    sample = (
        "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n"
        f"APIs,,login,OpenAI API key (work),,,0,https://platform.openai.com,me,{A},\n"
        f',,login,shop,"two\nlines","GROQ_API_KEY: {B}",0,https://shop.invalid,me,hunter2hunter2,\n'
        ",,note,plain,hello,,0,,,,\n"
    )
    expected = (("", A, 2, "openai", "work"), ("GROQ_API_KEY", B, 3, "", "shop"))
    cleaned = sample
    references = ",,login,my bank,,,0,https://bank.invalid,me,hunter2hunter2,\n"

    def test_the_csv_of_1password_is_read(self) -> None:
        (found,) = self.found(
            f"Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nGroq API token,,me,{B},,false,false,,\n"
        )
        assert (found.value.reveal(), found.provider) == (B, "groq")


def test_every_kind_of_text_source_has_its_contract_test() -> None:
    tested = {one.kind for one in SourceContract.__subclasses__()}
    assert tested == set(sources.TEXT_KINDS)
