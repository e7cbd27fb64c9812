"""`python -m release`, in the folder of the tests."""

import sys

from .command import main

sys.exit(main(sys.argv[1:]))
