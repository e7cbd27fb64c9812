"""All that an author of exercises needs, in one place: `from ...authoring import Exercise, require, ...`.

An `Exercise` and the ways to fail its checks; what a student's code gave, as plain data; random cases; the doctor; the
bug zoo and plug-in points; and words for sentences.
"""

from ..core.graph import Graph, topological_order
from ..view.words.grammar import are, counted, have, times
from ..view.words.sentences import apart, short_array
from .answers import as_layer, entry, explanation, returned, value_in, worst
from .cases import Rng, chain, deep, generators, graphs, ladder, numbers, random_graph, shuffled
from .checking.evaluated import Evaluated
from .diagnosis import Diagnosis, Wrong, example, number, refuse, require, tell, written
from .doctor import diagnose, diagnose_layer, diagnose_step
from .exact import all_same, as_array, as_bool, as_nodes, as_number, as_whole, kind_of, label, largest_difference, same
from .exercise import Exercise
from .using import using
from .zoo import bug, bugs

__all__ = [
    "Diagnosis", "Evaluated", "Exercise", "Graph", "Rng", "Wrong", "all_same", "apart", "are", "as_array", "as_bool",
    "as_layer", "as_nodes", "as_number", "as_whole", "bug", "bugs", "chain", "counted", "deep", "diagnose",
    "diagnose_layer", "diagnose_step", "entry", "example", "explanation", "generators", "graphs", "have", "kind_of",
    "label", "ladder", "largest_difference", "number", "numbers", "random_graph", "refuse", "require", "returned",
    "same", "short_array", "shuffled", "tell", "times", "topological_order", "using", "value_in", "worst", "written",
]  # fmt: skip
