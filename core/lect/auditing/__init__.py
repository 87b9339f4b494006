"""Whether a stack treats people and languages alike: parity, counterfactuals, and what the data says of them."""
