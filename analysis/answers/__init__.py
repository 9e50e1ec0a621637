"""Answers to questions (exhibits): the page that shows them, and what the chapter's page shares with it.

`part` and `panels` say what a part is made of and how its panels are drawn, `sections` saves them, `page` writes the
page; each of the other modules answers one question.
"""

from analysis.answers.page import ANSWERS, write_answers

__all__ = ["ANSWERS", "write_answers"]
