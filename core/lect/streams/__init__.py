"""Streams: rows that are read, answered and written as they come, in order, however many there are."""
