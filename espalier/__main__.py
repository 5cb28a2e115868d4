"""``python -m espalier`` is the command line."""

from orchestrator.cli import main

main()
