"""Who can reach whom: graphs over the players, networks from files, and the `communication` section of a scenario."""
