"""`python -m bench`, with the folder above this one on the path: `python3 run.py bench` sees to that."""

import sys

from tinygrad_lora.commands.main import exit_code, interrupts_put_off


def bench() -> int:
    """Load the command, which loads NumPy, and run it."""
    with interrupts_put_off():
        from .command import main
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(exit_code("run.py bench", bench))
