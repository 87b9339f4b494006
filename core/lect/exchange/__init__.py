"""What components and folders of other libraries are between the two: contents, files, tokenizers."""
