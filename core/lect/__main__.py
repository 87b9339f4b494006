"""Runs the command line, as ``python -m lect``."""

from lect.commands.app import main

if __name__ == "__main__":
    main()
