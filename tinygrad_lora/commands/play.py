"""The command `tinygrad-lora play`: the playground, in the browser of this machine."""

import webbrowser

from .output import Arguments, Commands, new_command


def add_command(commands: Commands) -> None:
    """Add `play` to the commands of a parser."""
    help = "type a few lines, and see the graph, the gradients, the passes and the NumPy"
    parser = new_command(commands, "play", run, help)
    parser.add_argument("--port", type=int, default=0, help="listen on this port of 127.0.0.1 (any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(args: Arguments) -> None:
    """A page in your browser with a few lines of code; beside it everything that follows from them, while you type.
    The code runs in a process on this machine, which no other machine can reach.

    Serves until Ctrl-C. Raises ValueError where the port cannot be had.
    """
    from ..play.server import Playground

    try:
        server = Playground(args.port)
    except (OSError, OverflowError) as error:
        raise ValueError(f"cannot listen on port {args.port} of 127.0.0.1: {error}") from None
    with server:
        print(f"The playground: {server.address}\nCtrl-C ends it.", flush=True)
        if not args.no_browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
