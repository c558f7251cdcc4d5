"""`society report`: runs, fingerprints and tournaments in one HTML file that needs no network."""

from simulation.report.page import write_report

__all__ = ["write_report"]
