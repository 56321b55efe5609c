"""`python -m fimcore` is the command `fimcore`."""

import sys

from fimcore.cli import main

sys.exit(main())
