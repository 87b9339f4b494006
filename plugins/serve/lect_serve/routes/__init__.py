"""The HTTP routes, a module for each family of them."""
