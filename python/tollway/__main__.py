"""`python -m tollway` is the `tollway` command."""

from tollway.cli.main import main

main()
