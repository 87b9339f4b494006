"""A learned scale and shift after every feed-forward block."""
