"""Objectives that predict pieces: masked, over translations, and the next one."""
