"""`python -m archdsl.cli`, where the script `archdsl` is not on the path."""

from archdsl.cli.main import main

main()
