"""SMILES, molecules written as text, cut into atoms, bonds, rings and brackets: the tokenizer of RXNMapper.

A reaction is written "reactants>>products", molecules are separated by ".": CC(=O)O.OCC>>CC(=O)OCC is how vinegar and
alcohol become nail polish remover.
Source: Weininger 1988, doi:10.1021/ci00057a005; Schwaller et al. 2019, doi:10.1021/acscentsci.9b00576, for the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .text.tokens import BertTokenizer, known_numbers

_TOKEN = re.compile(
    r"\[[^\]]+\]"  # an atom with its charge, its isotope or its hydrogens: [NH4+]
    r"|Br?|Cl?|N|O|S|P|F|I"  # atoms; those of two letters first
    r"|b|c|n|o|s|p"  # atoms of an aromatic ring
    r"|\(|\)|\.|=|#|-|\+|\\|/|:|~|@|\?|>>?|\*|\$"  # branches, molecules, bonds, the arrow
    r"|%[0-9]{2}|[0-9]"  # where a ring is closed
)


class Smiles(BertTokenizer):
    """One token for each atom, bond, ring number and bracket.

    >>> from tinygrad_lora.models.smiles import atoms_and_bonds
    >>> atoms_and_bonds("ClCC(=O)[O-]")
    ['Cl', 'C', 'C', '(', '=', 'O', ')', '[O-]']

    `encode`, `encode_batch` and `decode` are those of the other tokenizers of this kind. A token that the vocabulary
    does not have, such as a rare ion, becomes [UNK]. Raises ValueError for a text that is no SMILES.
    """

    def numbers_of(self, text: str) -> list[int]:
        """The token numbers of a molecule or a reaction, without special tokens."""
        return [self.numbers.get(token, self.unknown) for token in atoms_and_bonds(text)]

    def decode(self, numbers: Iterable[int], *, special: bool = False) -> str:
        """The text of token numbers; special tokens are left out, unless `special` is True."""
        known = known_numbers(numbers, len(self))
        return "".join(self.vocabulary[n] for n in known if special or n not in self.special.names)


def atoms_and_bonds(text: str) -> list[str]:
    """The tokens of a molecule or a reaction. Raises ValueError that names the first character that is none."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise ValueError(f"{text[at]!r}, character {at + 1} of {text[:60]!r}, means nothing in SMILES")
        found.append(match.group())
        at = match.end()
    return found
