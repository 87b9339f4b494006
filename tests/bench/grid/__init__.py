"""The grid of quality figures: jobs by theme, the processes that run them, and the tables they end in."""
