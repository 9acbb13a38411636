from __future__ import annotations

import pytest

from keyvault.formats import load, of_file


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/home/a/.Renviron", "renviron"),
        ("site.Renviron", "renviron"),
        (".env", "dotenv"),
        (".envrc", "dotenv"),
        ("C:\\work\\.env.local", "dotenv"),
        ("/app/.env.json", "json"),
        ("config.fish", "fish"),
        ("profile.ps1", "powershell"),
        ("/home/a/.zshrc", "zsh"),
        ("keys.sh", "sh"),
        ("notes.txt", ""),
        ("/home/.env/notes", ""),
        ("", ""),
    ],
)
def test_a_files_name_tells_its_format_or_nothing(path: str, form: str) -> None:
    assert of_file(path) == form
    assert not form or load(form).name == form
