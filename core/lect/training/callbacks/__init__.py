"""What is told of a training run as it goes: the base class with its events, and those that every run has."""
