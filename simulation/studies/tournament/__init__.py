"""Tournaments: who earns what with whom, in pairs or in teams."""
