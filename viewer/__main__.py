"""`python -m viewer` is the command `flightlog`."""

import sys

from viewer.cli import main

sys.exit(main())
