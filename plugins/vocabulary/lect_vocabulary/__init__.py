"""New pieces for languages and scripts that a backbone's tokenizer does not know."""
