"""Reading free-form answers: which one of the options a text decides for, if it clearly decides for one.

| text                                                      | read as   |
|-----------------------------------------------------------|-----------|
| an option, to the letter or but for case and punctuation  | exact     |
| an option in a wrapper (label, list item, JSON, boxed)    | extracted |
| a sentence that decides for one option                    | extracted |
| two options without a decision, a negation, a condition   | invalid   |
| a refusal, a question, a number that is no option         | invalid   |

A sentence is read only if every word before the option is known: a word that is not known may negate the option, or
give it to somebody else.
"""

from agents.answers.reader import Answer, AnswerReading, ReaderVersion, parse_choice, read_answer

__all__ = ["Answer", "AnswerReading", "ReaderVersion", "parse_choice", "read_answer"]
