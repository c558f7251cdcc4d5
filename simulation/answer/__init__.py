"""What a run answers: who played, who did best and by how much, and what to distrust. One block for every surface."""

from simulation.answer.answer import RunAnswer, answer_of
from simulation.answer.render import answer_html, answer_text

__all__ = ["RunAnswer", "answer_html", "answer_of", "answer_text"]
