"""What Python's and NumPy's exceptions mean to somebody who is learning: a code, and what to look at.

A rule reads the text of an exception, since in a grader it comes from another process. Each is true of every case in
which Python raises it; nothing is guessed.
"""

import builtins
import re
from collections.abc import Callable

import numpy as np

from ... import errors

Advice = Callable[[re.Match[str]], str]


def shapes_in_words(match: re.Match[str]) -> str:
    """What is wrong with two shapes that do not broadcast."""
    a, b = (tuple(int(n) for n in re.findall(r"\d+", text)) for text in match.groups()[:2])
    small, large = sorted((a, b), key=len)
    if large and small == large[:-1]:
        kept = f"with keepdims=True it is {(*small, 1)} and fits {large}"
        return f"If {small} is a sum or a mean, it has lost its axis: {kept}"
    return f"Shapes are aligned from the right, and each axis must be equal or 1: {a} and {b} are not"


# For exceptions whose text matches: the code, and what to look at. `{0}`, `{1}` are the groups of the pattern.
RULES: tuple[tuple[str, str, str | Advice], ...] = (
    (r"nodes have no &, \|, \^ and ~|unsupported operand type\(s\) for \^", "power-sign",
         "In Python a power is written **, as in x**2; ^ is something else"),
    (r"cannot access local variable '(\w+)'|local variable '(\w+)' referenced", "no-value-yet",
         "{0} has no value yet in this line, since what gives it one has not run: is another name meant?"),
    (r"cannot access free variable '(\w+)'", "no-value-yet", "{0} has no value yet when this line runs"),
    (r"name '(\w+)' is not defined", "unknown-name",
         "Nothing has this name here: is it spelled as where it was defined, and does that line stand above this one? "
         "A name that a function or a comprehension gives is known inside of it alone"),
    (r"'NoneType'", "none-used", "None stands where a value is needed: which call gave None? A function "
         "without `return` does, and so do methods that change a list, such as append and sort"),
    (r"'?(\w+)'? object has no attribute '(\w+)'|(\w+) has no \.(\w+)|type object '(\w+)' has no attribute '(\w+)'",
         "unknown-attribute", "Is this the object that you mean, and is the name spelled right?"),
    (r"unhashable type: '(\w+)'", "unhashable",
         "A {0} can be no key of a dictionary and no member of a set: is it what you mean? A tuple can"),
    (r"could not be broadcast together with (?:remapped )?shapes (\([\d,]*\)) (\([\d,]*\))", "shapes-do-not-fit",
         shapes_in_words),
    (r"output operand with shape (\([\d,]*\)) doesn't match the broadcast shape (\([\d,]*\))", "shapes-do-not-fit",
         "What is on the left has shape {0} and cannot become {1}: a slice that reaches over an end is cut off there"),
    (r"could not broadcast input array from shape (\([\d,]*\)) into shape (\([\d,]*\))", "shapes-do-not-fit",
         "What is on the right has shape {0}, and its place on the left {1}: a slice that reaches over an end is cut "
         "off there"),
    (r"zip\(\) argument \d+ is (?:longer|shorter)", "lengths-differ",
         "With strict=True zip needs lists of one length: print the lengths of these"),
    (r"repeated axis in transpose|axes don't match array", "shapes-do-not-fit",
         "A transpose names every axis once, in the new order: axes are counted from 0"),
    (r"cannot reshape array", "shapes-do-not-fit", "A reshape keeps all numbers: it cannot add or leave out any"),
    (r"does not have enough dimensions", "shapes-do-not-fit",
         "An operand of @ is a number here: a matrix product needs a matrix or a vector on each side"),
    (r"matmul: .*(?:and b (?:'\w+' )?\(\d+, 1\)|a (?:'\w+' )?\(1, \d+\) and)", "shapes-do-not-fit",
         "Which operand is not what you want? A vector of n numbers is (n, 1) on the right of @, on the left (1, n)"),
    (r"mismatch in its core dimension|shapes .* not aligned|each axis must be equal|must match the \d+ rows",
         "shapes-do-not-fit", "Write the shapes of both operands beside this line: which one is not what you want?"),
    (r"truth value of an array", "array-in-condition", "An array of several numbers is neither true nor false: "
         ".all() or .any() of it is one answer, and np.where decides for each of them"),
    (r"is neither true nor false while|is symbolic", "no-numbers",
         "There are no numbers yet: a symbolic node only says what is to be computed"),
    (r"does not work on nodes", "numpy-on-nodes", ""),
    (r"index: only numbers and slices", "not-indexable",
         "A node was indexed by something else: is it the dictionary or the list that you mean?"),
    (r"must be an iterable|object is not iterable|cannot unpack non-iterable|a node is not iterable", "not-iterable",
         "Only a list, a tuple, a dictionary or another collection can be walked through or taken apart"),
    (r"not enough values to unpack|too many values to unpack", "cannot-unpack",
         "There must be as many names on the left as there are values on the right"),
    (r"object is not callable", "not-callable", "Brackets after a name call it, and this is no function"),
    (r"object is not subscriptable|does not support item assignment|indices must be integers|nodes are read-only",
         "not-indexable", "Square brackets need a list or an array and a whole number, or a dictionary and its key"),
    (r"missing \d+ required|missing a required|takes \d+ positional|takes from|unexpected keyword|"
         r"required argument|got multiple values|expected at \w+ \d+|expected (?:exactly )?\d+ arguments?|"
         r"takes (?:no|exactly|at)", "wrong-call",
         "Compare this call with what it calls: which arguments does that take, and in which order?"),
    (r"unsupported operand type|not supported between|bad operand type|can only concatenate|must be real number|"
         r"can't multiply sequence|argument must be|object cannot be interpreted|only .*arrays can be converted|"
         r"is an object of type|of unsized object|is not searched with|must have __dict__|Array must be at least|"
         r"must be a (?:type|str|Linear|whole)|loop of ufunc|a list of nodes", "operand-types",
         "This operation does not work on things of these kinds: print their types"),
    (r"axis (-?\d+) is out of bounds for array of dimension (\d+)", "out-of-range",
         "An array of {1} axes has no axis {0}: the first is axis 0, and -1 is the last"),
    (r"index .* out of (?:range|bounds)|index out of range|pop from empty", "out-of-range",
         "There is no such place: the first is 0, the last is len(...) - 1, and -1 counts from the end"),
    (r"(?:is|of) an empty sequence|arg\w* is empty|of no elements|zero-size array|need at least one array", "empty",
         "Nothing is there to take the largest, the mean or the first of: what if the collection is empty?"),
    (r"(?:division|modulo) by zero|divide by zero", "division-by-zero", "The divisor is 0 here"),
    (r"step cannot be zero|arg 3 must not be zero", "zero-step",
         "Steps of 0 go nowhere: from each item to the one before it is a step of -1"),
    (r"changed size during iteration", "changed-while-walked",
         "A set or dictionary must not grow while a loop walks through it: walk through a list"),
    (r"is not a parameter|needs? a parameter|must hold floats|not the text|pass an array of numbers", "not-numbers",
         "An array of floating-point numbers is needed here"),
    (r"inhomogeneous", "not-numbers",
         "An array was asked for, and this is a list of parts of different shapes: is it one of them that you mean?"),
    (r"gradients\(\) starts at a number", "gradient-error",
         "Which number does the formula take the gradient of? Compute that number first"),
)  # fmt: skip


# For those whose text would mislead in lines of this kind: the text, what is in the line, the code, what to look at.
IN_LINES: tuple[tuple[str, str, str, str], ...] = (
    (r"is neither true nor false", r"\b(?:sorted|min|max)\(|\.sort\(", "no-order",
         "Nodes have no order: sorted, min and max need a key, such as key=id"),
    (r"truth value of an array", r"^(?!.*(?:\b(?:if|elif|while|and|or|not|assert|in)\b|bool\())", "wrong-call",
         "Nothing in this line is a condition, so it is a call that asks whether an array is true: which of its "
         "arguments is not what that call takes there?"),
    (r"cross_entropy: missing a required", r"^(?!.*cross_entropy\()", "wrong-call",
         "It is not called in this line: to what was it passed on, and in which place?"),
    (r"missing \d+ required positional", r"[(,] *\*\w", "wrong-call",
         "An argument is missing in this call, or there are too few after its *: does a set drop what comes twice?"),
    (r"missing \d+ required positional", r"\*\*\w", "wrong-call",
         "Which arguments does that take? A list counts as one: a * before it passes its items one by one"),
)  # fmt: skip


# What these say after ":" or ";" is one of several remedies, and which one an exercise asks for is not known here.
REFUSALS = re.compile(
    r"(a node is not iterable|nodes are read-only|nodes have no &, \|, \^ and ~|a node has no \.add|"
    r"index: only numbers and slices|a parameter must hold floats, not \w+|a node is not searched with `in`[^:]*|"
    r"\w+\(\) starts at a number, and this node has shape [^:]*)[:;] .*|; [ab]\.mT is \([\d, ]*\)"
)


def words_of(error: BaseException) -> str:
    """What an exception says, without where an object lies in memory and without a remedy for something else."""
    return REFUSALS.sub(r"\1", re.sub(" at 0x[0-9a-f]+", "", str(error)))


def public_name(error: BaseException) -> str:
    """The nearest class of an exception that is Python's, NumPy's or the package's, by name.

    What a student has called a class of their own, such as after a person, is not kept.
    """
    owners = (errors, builtins, np.exceptions, np.linalg)
    known = (one for one in type(error).__mro__ if any(getattr(owner, one.__name__, None) is one for owner in owners))
    return next(known).__name__


def explained(error: BaseException, line: str = "") -> tuple[str, str]:
    """A code and what to look at; "exception" and nothing where no rule fits. `line` is the student's that raised."""
    name, text = type(error).__name__, str(error)
    for pattern, place, code, remedy in IN_LINES:
        if line and re.search(pattern, text) and re.search(place, line):
            return code, remedy
    if name == "KeyError":
        return "missing-key", "The dictionary has no such key: is it the key that you mean, and was it put in before?"
    if name == "StopIteration":
        return "iterator-ended", "`next` was asked for more than there is: does a loop run more often than it should?"
    for pattern, code, advice in RULES:
        match = re.search(pattern, text)
        if match is not None:
            groups = [group for group in match.groups() if group is not None]
            return code, advice(match) if callable(advice) else advice.format(*groups)
    # A refusal of the package says what to do by itself.
    if getattr(errors, name, None) is type(error):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower(), ""
    return "exception", ""
