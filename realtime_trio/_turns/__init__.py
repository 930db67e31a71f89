"""Turns that the application asks for: channels, outcome, and resync after a lost link."""
