"""The outcomes of runs: the numbers that kept traces hold, and the words that records hold."""

from analysis.record.outcome import Outcome


def test_numbers_and_words_are_those_of_the_records_there_are() -> None:
    assert {int(outcome): outcome.word for outcome in Outcome} == {0: "finished", 1: "diverged", 2: "pruned"}
