"""`python -m curbside.cli`."""

import sys

from . import main

sys.exit(main())
