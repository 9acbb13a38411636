"""Vendors' own libraries, where these are the usual way to use a key. In a program, KEY is the key, and the address if another.

Sources: the READMEs of anthropics/anthropic-sdk-python and -typescript, googleapis/python-genai and googleapis/js-genai.
"""

from __future__ import annotations

from typing import NamedTuple


class Library(NamedTuple):
    """How to get it, what to import, and a first program."""

    install: str
    imports: str
    program: str


_ANTHROPIC_PYTHON = """\
client = anthropic.Anthropic(KEY)
answer = client.messages.create(
    model="MODEL",  # client.models.list() names them
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)
"""
_ANTHROPIC_NODE = """\
const client = new Anthropic({ KEY });
const answer = await client.messages.create({
  model: "MODEL", // client.models.list() names them
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.content[0].text);
"""
_GEMINI_PYTHON = """\
client = genai.Client(KEY)
answer = client.models.generate_content(model="MODEL", contents="Hello")  # client.models.list() names them
print(answer.text)
"""
_GEMINI_NODE = """\
const client = new GoogleGenAI({ KEY });
const answer = await client.models.generateContent({ model: "MODEL", contents: "Hello" });
console.log(answer.text);
"""

PYTHON = {
    "anthropic": Library("pip install anthropic", "import anthropic", _ANTHROPIC_PYTHON),
    "google-gemini": Library("pip install google-genai", "from google import genai", _GEMINI_PYTHON),
}
NODE = {
    "anthropic": Library("npm install @anthropic-ai/sdk", 'import Anthropic from "@anthropic-ai/sdk";', _ANTHROPIC_NODE),
    "google-gemini": Library("npm install @google/genai", 'import { GoogleGenAI } from "@google/genai";', _GEMINI_NODE),
}
CHAT_CLIENTS_CALL = {"anthropic": "Claude", "google-gemini": "Gemini"}
