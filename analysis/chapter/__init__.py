"""The chapter's page: the answers of a record whose suite asks the questions of d2l 12.8.

One module a part of the page: its figures, and the sentences made of its numbers. `page` puts them together.
"""

from analysis.chapter.page import write_chapter

__all__ = ["write_chapter"]
