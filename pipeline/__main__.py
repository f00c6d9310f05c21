"""`python -m pipeline` is `pagefold`."""

from pipeline.cli import main

main()
