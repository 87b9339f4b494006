"""Reports as single pages that need no network, no script and no file beside them."""
