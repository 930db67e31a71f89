"""One question and its answer: channels, outcome, resync after a lost link."""
