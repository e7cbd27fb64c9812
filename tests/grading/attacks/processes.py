"""Other processes: see, stop, slow down, trace or start them; and ends that nobody expects."""

CALL = "def unbroadcast(g, shape):\n    "
C = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"

ATTACKS = {
    "killing the grader": "os.kill(GRADER, 9)",
    "killing the grader's group": "os.killpg(GRADER, 9)",
    "killing the grader by a descriptor": "import signal\nsignal.pidfd_send_signal(os.pidfd_open(GRADER), 9)",
    "killing everybody": "os.kill(-1, 9)",
    "killing everybody by descriptors": (
        "import signal\nfor pid in range(2, 40000):\n    try: fd = os.pidfd_open(pid)\n    except OSError: continue\n"
        "    signal.pidfd_send_signal(fd, 9)\n    os.close(fd)\n    found = 'SEEN'"),
    "killing the first process": "import signal\nsignal.pidfd_send_signal(os.pidfd_open(1), 9)",
    "killing the parent": "import signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
    "who the parent is": "found = os.getppid() > 0 and 'SEEN'",
    "slowing the grader down": "os.setpriority(os.PRIO_PROCESS, GRADER, 19)",
    "slowing everybody down": "os.setpriority(os.PRIO_USER, os.getuid(), 19)",
    "hurrying": "os.setpriority(os.PRIO_PROCESS, 0, -20)\nfound = 'SEEN'",
    "moving the grader to one processor": "os.sched_setaffinity(GRADER, {0})",
    "scheduling the grader last": "os.sched_setscheduler(GRADER, os.SCHED_IDLE, os.sched_param(0))",
    "limits for the grader": "import resource\nresource.prlimit(GRADER, resource.RLIMIT_CPU, (1, 1))",
    "larger limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nfound = 'SEEN'",
    "a fork": "os.fork() or os._exit(0)\nfound = 'SEEN'",
    "a fork with a terminal": "os.forkpty()\nfound = 'SEEN'",
    "a fork bomb": "while True:\n    os.fork()",
    "a fork bomb that hides errors": (
        "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end:\n    try: os.fork()\n    except BaseException: pass"),
    "a fork of the C library": C + "for _ in range(100):\n    libc.fork() or libc.sleep(1000)",
    "a shell of the C library": C + "found = libc.system(b'touch /tmp/mallory') == 0 and 'SEEN'",
    "a shell": "os.system('touch ' + OUT + '/mallory')",
    "a program": "import subprocess\nfound = subprocess.run(['/bin/cat', OTHER], capture_output=True).stdout",
    "a program in place of this one": "os.execv('/bin/cat', ['cat', OTHER])",
    "a program, spawned": "os.posix_spawn('/bin/touch', ['touch', OUT + '/mallory'], {})",
    "a program below subprocess": (
        "import _posixsubprocess as p\np.fork_exec([b'/bin/touch'], [b'/bin/touch'], True, (), None, None, *[-1] * 6, *[-1] * 2,"
        " False, False, -1, None, None, None, -1, None, False)"),
    "a pool of processes": (
        "from concurrent.futures import ProcessPoolExecutor as P\nfound = 'SEEN' if list(P(4).map(abs, [1])) else ''"),
    "a thread": "import threading\nthreading.Thread(target=print).start()\nfound = 'SEEN'",
    "a server of multiprocessing": "import multiprocessing\nmultiprocessing.Manager()\nfound = 'SEEN'",
    "shared memory": (
        "from multiprocessing import shared_memory as s\ns.SharedMemory('mallory', create=True, size=99)\nfound = 'SEEN'"),
    "a semaphore": "import multiprocessing\nmultiprocessing.get_context('fork').Lock()\nfound = 'SEEN'",
    "namespaces of its own": C + "found = libc.unshare(0x10020000) == 0 and 'SEEN'",
    "a mount": C + "found = libc.mount(b'none', b'/submission', b'tmpfs', 0, b'size=90g') == 0 and 'SEEN'",
    "no mount": C + "libc.umount2(b'/proc', 2)\nfound = os.listdir('/proc')",
    "all rights": C + "found = libc.setuid(0) == 0 and 'SEEN'",
    "tracing the parent": C + "found = libc.ptrace(16, GRADER, 0, 0) == 0 and 'SEEN'",
    "reading the grader's memory": (
        C + "class V(ctypes.Structure):\n    _fields_ = [('p', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "b = ctypes.create_string_buffer(9)\nmine, his = V(ctypes.addressof(b), 9), V(0x400000, 9)\n"
        "found = libc.process_vm_readv(GRADER, ctypes.byref(mine), 1, ctypes.byref(his), 1, 0) > 0 and 'SEEN'"),
    "a message queue": C + "found = libc.mq_open(b'/mallory', 66, 384, 0) < 0 or 'MADE'\nfound = ''",
    "the name of the machine": C + "found = libc.sethostname(b'mallory', 7) == 0 and 'SEEN'",
    "the time of the machine": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\nfound = 'SEEN'",
    "an end while called": CALL + "import os; os._exit(0)",
    "an end with another code": CALL + "import os; os._exit(77)",
    "a crash": CALL + "import ctypes; ctypes.string_at(0)",
    "a crash of the fault handler": CALL + "import faulthandler; faulthandler._sigsegv()",
    "a crash in the cells": "import faulthandler\nfaulthandler._sigsegv()",
    "an abort": CALL + "import os; os.abort()",
    "a crash by recursion": (
        "sys.setrecursionlimit(10**9)\ndef unbroadcast(g, shape):\n    return unbroadcast(g, shape)"),
    "a crash in C by recursion": (
        CALL + "x = ()\n    for _ in range(10**6): x = (x,)\n    return hash(x)"),
    "a signal to itself": CALL + "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "a stop": CALL + "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "sleep": CALL + "import time; time.sleep(10**6)",
    "no alarm": CALL + "import signal; signal.setitimer(signal.ITIMER_REAL, 0)\n    while True: pass",
    "a deaf loop": CALL + "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass",
    "blocked signals": CALL + "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    while True: pass",
    "a loop in C": CALL + "import re; return re.match('(a*)*b', 'a' * 60)",
    "a long sum": CALL + "return sum(range(10**13))",
    "a large power": CALL + "return 7 ** (10**9)",
    "what happens at exit": "import atexit\natexit.register(os.write, 3, b'x' * 100)",
    "a finalizer": "class A:\n    def __del__(self): os.write(3, b'x' * 100)\na = A()\ndel a",
    "a tracer": "import sys\nsys.settrace(lambda *a: print(a))\nsys.setprofile(print)",
}  # fmt: skip
