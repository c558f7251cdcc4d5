"""A social network without OASIS: its posts and links, what its users may do, its feeds, its clock. Pure.

`simulation.games.social_network` plays it, and `simulation.engine` writes what happens into OASIS's database.
"""
