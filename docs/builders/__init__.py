"""Makes the pages of the site that come from the code: commands, keys, tables, games, metrics, Python names."""
