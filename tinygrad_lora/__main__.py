"""`python -m tinygrad_lora` is the console command `tinygrad-lora`."""

import sys

from .commands.main import main

if __name__ == "__main__":
    sys.exit(main())
