"""A matrix of languages and stacks: what is scored, the scores, and the reports of them."""
