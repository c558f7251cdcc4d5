"""Scripted players: what they see, the policies they follow, and the sentences they say."""
