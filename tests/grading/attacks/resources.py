"""More than its share: memory, disk, files, output."""

CALL = "def unbroadcast(g, shape):\n    "

ATTACKS = {
    "bytes": CALL + "x = []\n    while True: x.append(bytes(2**24))",
    "arrays": CALL + "import numpy as np\n    return [np.ones(2**21) for _ in range(10**5)]",
    "one array": CALL + "import numpy as np\n    return np.ones(2**40)",
    "a text": CALL + "return 'x' * 2**40",
    "a list that doubles": CALL + "x = [0]\n    while True: x += x",
    "a number": CALL + "return 1 << 2**36",
    "memory in the cells": "x = []\nwhile True: x.append(bytes(2**24))",
    "memory that is caught": CALL + "x = []\n    while True:\n        try: x.append(bytes(2**20))\n        except MemoryError: x = []",
    "a compressed bomb": (
        CALL + "import zlib\n    d = zlib.compress(bytes(2**24))\n    x = []\n    while True: x.append(zlib.decompress(d))"),
    "files in memory": (
        "x = []\nfor _ in range(60):\n    fd = os.memfd_create('x')\n    x.append(fd)\n"
        "    while os.write(fd, bytes(2**22)) > 0: pass"),
    "the disk, one file": "f = open('x', 'wb')\nwhile True:\n    f.write(bytes(2**22))",
    "the disk, many files": (
        "n = 0\nwhile True:\n    n += 1\n    with open(str(n), 'wb') as f:\n        f.write(bytes(2**23))"),
    "the disk, empty files": "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').close()",
    "the disk, folders": "while True:\n    os.mkdir('x', dir_fd=os.open('.', 0))\n    os.chdir('x')",
    "the disk, allocated": "os.posix_fallocate(os.open('x', os.O_CREAT | os.O_WRONLY), 0, 2**36)",
    "the disk, sparse": "os.truncate(os.open('x', os.O_CREAT | os.O_RDWR), 2**50)",
    "the disk, outside": "os.posix_fallocate(os.open(OUT + '/x', os.O_CREAT | os.O_WRONLY), 0, 2**30)",
    "open files": "x = []\nwhile True:\n    x.append(open('x', 'w'))",
    "pipes": "x = []\nwhile True:\n    x.append(os.pipe())",
    "output": CALL + "while True: print('x' * 10**6, flush=True)",
    "output below Python": CALL + "import os\n    while True: os.write(1, b'x' * 10**6)",
    "a long error": CALL + "raise ValueError('x' * 10**7)",
    "warnings": CALL + "import warnings\n    while True: warnings.warn('x' * 10**6)",
    "processor time in the cells": "while True: pass",
    "shared memory of System V": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.shmat.restype = ctypes.c_void_p\nfor _ in range(300):\n"
        "    n = libc.shmget(0, 2**25, 0o1600)\n    p = libc.shmat(n, None, 0)\n    if n < 0 or p is None: break\n"
        "    ctypes.memset(p, 1, 2**25)\n    libc.shmdt(ctypes.c_void_p(p))\nelse:\n    found = 'SEEN'"),
    "keys of the kernel": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nfor i in range(10**4):\n"
        "    if libc.syscall(248, b'user', b'x%d' % i, b'x' * 9000, 9000, -3) < 0: break"),
}  # fmt: skip
