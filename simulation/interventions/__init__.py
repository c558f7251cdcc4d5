"""What happens to a run that no model does: events of a scenario, and those that people say into a run."""
