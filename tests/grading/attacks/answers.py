"""Answers that are not what they seem, and changes to what might judge them."""

CALL = "def unbroadcast(g, shape):\n    "
WRONG = "\ndef unbroadcast(g, shape):\n    import numpy as np\n    return np.full(shape, 7.0)\n"


def gives(expression: str, setup: str = "") -> str:
    """A submission whose answer is this expression."""
    return f"import numpy as np\n{setup}\ndef unbroadcast(g, shape):\n    return {expression}\n"


LIAR = """class Liar:
    shape, dtype, ndim, size = (), np.dtype(float), 0, 1
    __array_priority__ = 1e9
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __array__(self, *a, **k): return np.ones(3)
    def __array_ufunc__(self, *a, **k): return True
    def __array_function__(self, *a, **k): return True
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([1.0])
    def __float__(self): return 1.0
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __reduce__(self): return (exec, ("1 / 0",))
    def __repr__(self): raise SystemExit
    __str__ = __repr__
"""

ATTACKS = {
    "a liar": gives("Liar()", LIAR),
    "a list of liars": gives("[Liar()] * 3", LIAR),
    "a table of liars": gives("{Liar(): Liar()}", LIAR),
    "the class of liars": gives("Liar", LIAR),
    "a class in disguise": gives("D()", "class D:\n    __class__ = property(lambda self: np.ndarray)"),
    "a metaclass": gives("A()", "class M(type):\n    def __instancecheck__(c, x): return True\n    def __eq__(c, x): return True\n"
                         "    __hash__ = type.__hash__\nclass A(metaclass=M): pass"),
    "an array of its own kind": gives("np.zeros(shape).view(A)", "class A(np.ndarray):\n    def __eq__(self, other): return True"),
    "an array of objects": gives("np.full(shape, Liar(), dtype=object)", LIAR),
    "an array of text": gives("np.full(shape, 'x')"),
    "an array of records": gives("np.zeros(shape, dtype=[('a', 'f8'), ('b', 'O')])"),
    "an array of times": gives("np.zeros(shape, dtype='M8[s]')"),
    "a matrix": gives("np.asmatrix(np.zeros((2, 2)))"),
    "a masked array": gives("np.ma.masked_all(shape)"),
    "an endless array": gives("np.broadcast_to(1.0, (10**9, 10**9))"),
    "an array of no number": gives("np.full(shape, np.nan)"),
    "a number of its own kind": gives("F(1)", "class F(float):\n    def __eq__(self, other): return True\n    __hash__ = float.__hash__"),
    "a text of its own kind": gives("S('x')", "class S(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__"),
    "a list in itself": CALL + "a = []; a.append(a); return a",
    "a table in itself": CALL + "a = {}; a['a'] = a; return a",
    "a deep list": CALL + "a = []\n    for _ in range(10**5): a = [a]\n    return a",
    "a long list": CALL + "return [0] * 10**7",
    "many arrays": gives("[np.ones(1)] * 10**6"),
    "an endless generator": CALL + "return iter(int, 1)",
    "a generator that never yields": CALL + "return (x for x in iter(int, 1) if x)",
    "a module": CALL + "import os; return os",
    "a frame": CALL + "import sys; return sys._getframe()",
    "a lambda": CALL + "return lambda *a: True",
    "a compiled function": gives("tl.compile(lambda x: x)", "import tinygrad_lora as tl"),
    "a huge number": CALL + "return 10 ** 5000",
    "half of a surrogate pair": CALL + "return '\\udce9' * 100",
    "an error of its own kind": CALL + "raise type('E\\n<script>', (Exception,), {})('x')",
    "an error that cannot be told": CALL + "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "an error whose text never ends": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\n" + CALL + "raise E()"),
    "an error that ends the process": (
        "class E(Exception):\n    def __str__(self):\n        import os; os._exit(0)\n" + CALL + "raise E()"),
    "an error below all errors": CALL + "raise type('B', (BaseException,), {})('x')",
    "an exit": CALL + "raise SystemExit(0)",
    "an interrupt": CALL + "raise KeyboardInterrupt",
    "a group of errors": CALL + "raise BaseExceptionGroup('x', [SystemExit()])",
    "an error of the package": CALL + "from tinygrad_lora.grading.process.wire import Gone; raise Gone",
    "an error of the checks": CALL + "from tinygrad_lora.learn.diagnosis import Wrong; raise Wrong(None)",
    "a skipped test": CALL + "import unittest; raise unittest.SkipTest",
    "a printed score": "print('{\"results\": [], \"points\": 99, \"out_of\": 99}')",
    "a written score": "open('results.json', 'w').write('{\"score\": 99}')",
    "a NumPy that agrees": (
        "import numpy as np\nfor n in ('allclose', 'isclose', 'array_equal', 'all'):\n    setattr(np, n, lambda *a, **k: True)" + WRONG),
    "builtins that agree": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.len = lambda *a: 1" + WRONG,
    "checks that agree": (
        "import tinygrad_lora.learn.checking.run as r, tinygrad_lora.learn.exact as e\n"
        "r.run_checks = lambda *a, **k: None\ne.same = lambda *a, **k: True" + WRONG),
    "demands that are silent": "import tinygrad_lora.learn.diagnosis as d\nd.require = d.tell = d.Wrong = lambda *a, **k: None" + WRONG,
    "a protocol that raises nothing": (
        "import tinygrad_lora.grading.process.peer as p, tinygrad_lora.grading.process.packing as q\n"
        "p.Peer._raise = lambda *a, **k: None\nq.Packer.pack = lambda self, x: x" + WRONG),
    "an engine that does nothing": "import tinygrad_lora.core.graph as g\ng.topological_order = lambda outputs: []" + WRONG,
    "a clock that stands": "import time\ntime.monotonic = lambda: 0.0" + WRONG,
    "a random that is known": "import numpy as np\nnp.random.default_rng = lambda *a: None" + WRONG,
    "a JSON that lies": (
        "import json\nreal = json.dumps\njson.dumps = lambda x, **k: real(x, **k).replace('7.0', '1.0')" + WRONG),
    "an import that lies": "import builtins\nreal = builtins.__import__\nbuiltins.__import__ = lambda *a, **k: real('os')" + WRONG,
    "arguments that are changed": CALL + "g[...] = 0\n    g.setflags(write=False)\n    return g * 0",
    "arguments that are bent": CALL + "g.shape = (g.size,)\n    return g * 0",
}  # fmt: skip
