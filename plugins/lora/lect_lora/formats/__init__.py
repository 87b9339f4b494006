"""PEFT folders."""
