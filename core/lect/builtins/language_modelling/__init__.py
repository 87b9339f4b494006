"""Objectives that predict tokens: masked, over translations, and the next one."""
