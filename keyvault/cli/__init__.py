"""The command line: parses, prompts and renders; no logic. The only package that imports click, prints or exits."""
