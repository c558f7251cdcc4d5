"""The `society` command: one file per command. It imports every room, and no room imports it."""
