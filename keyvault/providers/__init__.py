"""API vendors as data: one TOML file each, in vendors/."""
