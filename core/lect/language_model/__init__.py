"""Predicting tokens: the output heads of language models, as stored or trained, over a routed backbone."""
