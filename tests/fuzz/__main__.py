"""`python -m fuzz`, in the folder of the tests."""

import sys

from . import command
from .files import command as files

if __name__ == "__main__":
    rest = [word for word in sys.argv[1:] if word != "--files"]
    sys.exit(command.main() if len(rest) == len(sys.argv) - 1 else files.main(rest))
