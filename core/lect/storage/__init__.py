"""Components on disk: what they say of themselves, where they lie, how they are read and written."""
