"""A stack in use: prediction, sentence vectors and generation, row by row."""
