"""What makes the pages of the site that say what the code says: commands, keys of files, tables, games, metrics."""
