"""Finding texts by what they mean, in any language: a saved index of vectors, and mining of translations."""
