"""`python -m fuzz`, in the folder of the tests."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
