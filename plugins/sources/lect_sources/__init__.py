"""Readers of what there is in small languages: catalogues of programs, verse texts, glossed texts, lexicons."""
