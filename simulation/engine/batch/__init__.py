"""Societies whose models never wait for a reply: a step is played in columns, with no request and no prompt."""
