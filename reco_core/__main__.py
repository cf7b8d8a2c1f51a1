"""`python -m reco_core` is the command `reco`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
