"""Which variables a shell, a project or a child gets."""
