"""Checkpoints and prepared data of fairseq for `lect`."""
