"""LoRA and its relatives for `lect`, with layers of the library `peft`."""
