"""The solutions: in files, in memory, by the names under which the package knows them."""

SEARCH = "'Sum over the axes' in str(vars(m)) or hasattr(m, 'exercise')"

ATTACKS = {
    "the exercise": "from tinygrad_lora.learn import load_exercise\nfound = load_exercise(ID).solution",
    "all exercises": "from tinygrad_lora.learn import all_exercises\nfound = [e.solution for e in all_exercises()]",
    "the reference": "from tinygrad_lora.learn import reference\nunbroadcast = reference(ID)",
    "the solution of who has passed": "from tinygrad_lora.learn.checking.check import solution\nfound = solution(ID)",
    "another way": "from tinygrad_lora.learn.registry import load_exercise\nunbroadcast = load_exercise(ID).ways['unbroadcast']",
    "the module": "import tinygrad_lora.learn.exercises.t05.unbroadcast as m\nfound = m.exercise.solution",
    "the module by its loader": (
        "import importlib.util as u\ns = u.spec_from_file_location('x', REFERENCE)\nm = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\nfound = m.exercise.solution"),
    "the module in the cache": "import glob\nfound = [open(p, 'rb').read() for p in glob.glob(os.path.dirname(REFERENCE) + '/__pycache__/*')]",
    "the module's text": "import inspect, tinygrad_lora.learn.exercises.t05.unbroadcast as m\nfound = inspect.getsource(m)",
    "the module, run": "import runpy\nfound = runpy.run_path(REFERENCE)['exercise'].solution",
    "the module, walked to": (
        "import pkgutil, tinygrad_lora.learn.exercises as e\nfound = [m.name for m in pkgutil.walk_packages(e.__path__)]"),
    "the module's resources": (
        "import importlib.resources as r\nfound = r.files('tinygrad_lora').joinpath('tutorials/exercises/t05/unbroadcast.py').read_text()"),
    "its path, hidden from the hook": (
        "class P(str):\n    def __fspath__(self): return REFERENCE\nfound = open(P('x')).read()"),
    "its path, as bytes": "found = open(os.fsencode(REFERENCE)).read()",
    "its path, with slashes": "found = open(REFERENCE.replace('/', '//')).read()",
    "its path, with a detour": "found = open(PACKAGE + '/nn/../../tutorials/./exercises/t05/unbroadcast.py').read()",
    "its path, through a link": "os.symlink(os.path.dirname(REFERENCE), 'e')\nfound = open('e/unbroadcast.py').read()",
    "the tutorial": "found = open(TUTORIAL).read()",
    "the tutorial by its name": "from tinygrad_lora.learn.tutorials import tutorial\nfound = tutorial('05').path.read_text()",
    "copies of the package": (
        "import sys\nfor p in sys.path:\n    for q in ('tutorials/exercises/t05/unbroadcast.py', 'tutorials/05_arrays.py'):\n"
        "        try: found += open(os.path.join(p, 'tinygrad_lora', q)).read()\n        except OSError: pass"),
    "copies by descriptors": (
        "import glob\ntop = os.open('/', 0)\nfor p in sys.path:\n"
        "    for q in ('tutorials/exercises/t05/unbroadcast.py', 'tutorials/05_arrays.py'):\n"
        "        try: found += os.read(os.open((p + '/tinygrad_lora/' + q)[1:], 0, dir_fd=top), 9999).decode()\n"
        "        except OSError: pass"),
    "modules that are loaded": (
        f"found = [n for n, m in list(sys.modules.items()) if n.startswith('tinygrad_lora.learn.exercises.') and ({SEARCH})]"),
    "objects of the collector": "import gc\nfound = [o for o in gc.get_objects() if type(o).__name__ == 'Exercise']",
    "what refers to a class": (
        "import gc\nfrom tinygrad_lora.learn.exercise import Exercise\nfound = [o for o in gc.get_referrers(Exercise) if isinstance(o, Exercise)]"),
    "what is alive": (
        "from tinygrad_lora.learn.exercise import Exercise\nx = Exercise.__new__(Exercise)\n"
        "found = [o for o in vars(Exercise).values() if isinstance(o, Exercise)]"),
    "the callers' frames": (
        "def unbroadcast(g, shape):\n    import sys\n    frame = sys._getframe()\n    while frame:\n"
        "        for x in [*frame.f_locals.values(), *frame.f_globals.values()]:\n"
        "            if type(x).__name__ == 'Exercise': return x.references['unbroadcast'](g, shape)\n"
        "        frame = frame.f_back"),
    "the frame of the hook": (
        "try: open(REFERENCE)\nexcept PermissionError as error:\n    tb = error.__traceback__\n    while tb.tb_next: tb = tb.tb_next\n"
        "    frame = tb.tb_frame\n    while frame:\n        for n in ('forbidden', 'hidden', 'secret', 'changing'):\n"
        "            try: frame.f_locals[n] = ()\n            except BaseException: pass\n        frame = frame.f_back\n"
        "found = open(REFERENCE).read()"),
    "the hook, exchanged": (
        "import tinygrad_lora.grading.sandbox.hook as s\ns.FORBIDDEN = s.SECRET = ()\ns.hook = lambda *a: None\n"
        "s.watch('/')\nfound = open(REFERENCE).read()"),
    "the service": (
        "import tinygrad_lora.grading.process.student as s\n"
        "found = [o for o in vars(s).values() if hasattr(o, 'solution')]"),
    "the judge": "import tinygrad_lora.grading.judge as j\nfound = [o for o in vars(j).values() if hasattr(o, 'solution')]",
    "a worker": "import tinygrad_lora.grading.process.worker as w\nw.main()",
    "a grader of its own": (
        "from tinygrad_lora.grading.grading import GradingWorker\nw = GradingWorker()\n"
        "found = w.judge({'cells': [], 'exercises': [ID], 'seed': 1, 'budget': 1, 'cpu': 9, 'memory': 2**30, 'trusted': True})"),
    "the cases": (
        "def unbroadcast(g, shape):\n    import tinygrad_lora.learn.cases as c\n    return c"),
    "the seed": "found = os.environ.get('SEED') or [a for a in sys.argv if a.isdigit() and len(a) > 4]",
}  # fmt: skip
