"""Files that are not the submission's: read, write, link, replace. What the audit hook does not see comes first."""

ATTACKS = {
    "a file of the judge, from a folder's descriptor": (
        "top = os.open('/', os.O_RDONLY)\nfound = os.read(os.open(CANARY[1:], os.O_RDONLY, dir_fd=top), 999)"),
    "a way up from a descriptor": (
        "here = os.open('.', os.O_RDONLY)\nfound = os.read(os.open('../' * 20 + CANARY, os.O_RDONLY, dir_fd=here), 999)"),
    "another submission, from a folder's descriptor": (
        "top = os.open('/', os.O_RDONLY)\nfound = os.read(os.open(OTHER[1:], os.O_RDONLY, dir_fd=top), 9999)"),
    "the reference, from a folder's descriptor": (
        "top = os.open('/', os.O_RDONLY)\nfound = os.read(os.open(REFERENCE[1:], os.O_RDONLY, dir_fd=top), 9999)"),
    "a history file of readline, read": (
        "import readline\nreadline.read_history_file(REFERENCE)\n"
        "found = '\\n'.join(readline.get_history_item(i + 1) for i in range(readline.get_current_history_length()))"),
    "a history file of readline, written": (
        "import readline\nreadline.add_history('x')\nreadline.write_history_file(OUT + '/results.json')"),
    "a history file of readline, replacing the package": (
        "import readline\nreadline.add_history('1 / 0')\nreadline.write_history_file(PACKAGE + '/library.py')"),
    "an init file of readline": "import readline\nreadline.read_init_file(CANARY)",
    "a fifo where the results go": "os.mkfifo(OUT + '/results.json')",
    "a fifo by a descriptor": "os.mkfifo(OUT[1:] + '/x', dir_fd=os.open('/', os.O_RDONLY))",
    "a node where the results go": "os.mknod(OUT + '/results.json')",
    "a device of its own": (
        "import stat\nos.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(254, 0))\nfound = os.read(os.open('disk', 0), 99)"),
    "the memory of the machine": "found = os.read(os.open('/dev/mem', os.O_RDONLY), 99)",
    "a terminal": "os.write(os.open('/dev/tty', os.O_RDWR), b'rm -rf')",
    "a line typed for the teacher": "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')",
    "a link by a descriptor": "os.symlink(CANARY, 'mine', dir_fd=os.open('.', 0))\nfound = os.read(os.open('mine', 0), 99)",
    "a hard link": "os.link(CANARY, 'mine')\nfound = os.read(os.open('mine', 0), 99)",
    "a removal by a descriptor": "os.unlink(OTHER[1:], dir_fd=os.open('/', os.O_RDONLY))",
    "a move by a descriptor": (
        "top = os.open('/', 0)\nos.rename(OTHER[1:], 'x', src_dir_fd=top)\nfound = os.read(os.open('x', 0), 99)"),
    "a replacement": "open('x', 'w').write('y')\nos.replace('x', OTHER)",
    "an empty file": "os.truncate(OTHER, 0)",
    "a file without a name": "os.write(os.open(OUT, os.O_TMPFILE | os.O_WRONLY), b'x')",
    "rights": "os.chmod(PACKAGE, 0o777)",
    "an owner": "os.chown(PACKAGE, 12345, 12345)",
    "a time": "os.utime(CANARY, (0, 0))",
    "a size": "found = 'SEEN ' + str(os.stat(CANARY).st_size)",
    "whether a file is there": "found = os.path.exists(CANARY) and 'SEEN'",
    "an attribute": "os.setxattr(OTHER, 'user.mallory', b'x')",
    "the folders of the root": "found = [name for name in os.listdir(os.open('/', 0)) if name in ('home', 'mnt', 'var')]",
    "a walk to other submissions": (
        "folder = os.path.dirname(OTHER)[1:]\n"
        "found = [names for *_, names, _ in os.fwalk(folder, dir_fd=os.open('/', 0))] and 'SEEN'"),
    "the root of a process": "found = open('/proc/self/root' + CANARY).read()",
    "the root of the first process": "found = open('/proc/1/root' + CANARY).read()",
    "the grader's memory": "found = os.read(os.open(f'/proc/{GRADER}/mem', os.O_RDWR), 9)",
    "its own memory": "os.open('/proc/self/mem', os.O_RDWR)\nfound = 'SEEN'",
    "the grader's environment": "found = open(f'/proc/{GRADER}/environ').read()",
    "the program that runs it": "os.open('/proc/self/exe', os.O_WRONLY)\nfound = 'SEEN'",
    "what handles crashes": "os.write(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY), b'|/bin/sh')\nfound = 'SEEN'",
    "settings of the kernel": "found = open('/sys/kernel/mm/transparent_hugepage/enabled').read()",
    "its own loader": (
        "from importlib.machinery import SourceFileLoader\nfound = SourceFileLoader('x', OTHER).get_data(OTHER)"),
    "a library of its own": (
        "import _imp, importlib.machinery as m\nopen('x.so', 'wb').write(b'\\x7fELF' + bytes(99))\n"
        "_imp.create_dynamic(m.ModuleSpec('x', None, origin=os.path.abspath('x.so')))"),
    "a library of the system": (
        "import _imp, glob, importlib.machinery as m, _ctypes\n"
        "found = _imp.create_dynamic(m.ModuleSpec('_ctypes', None, origin=_ctypes.__file__)) and ''\n"
        "_ctypes.dlopen('libc.so.6', 0)"),
    "lines": "import linecache\nfound = ''.join(linecache.getlines(OTHER))",
    "a raw file": "import _io\nfound = _io.FileIO(OTHER).read()",
    "code": "import io\nfound = io.open_code(OTHER).read()",
    "an array in a file": "import numpy as np\nfound = np.fromfile(OTHER, dtype='u1').tobytes()",
    "an array mapped from a file": "import numpy as np\nfound = bytes(np.memmap(OTHER, dtype='u1', mode='r'))",
    "an array mapped onto a file": "import numpy as np\nnp.memmap(OTHER, dtype='u1', mode='r+')[:] = 65",
    "an array saved": "import numpy as np\nnp.save(OUT + '/x.npy', np.ones(3))",
    "a text of numbers": "import numpy as np\nnp.savetxt(OTHER, np.ones(3))",
    "a mapped file": "import mmap\nfound = mmap.mmap(os.open(OTHER, 0), 0, prot=mmap.PROT_READ)[:]",
    "a database": "import sqlite3\nsqlite3.connect(OUT + '/x.db').execute('create table t (a)')",
    "a picture": "import tinygrad_lora as tl\ntl.Chart().line([1], [1]).save(OUT + '/report.html')",
    "a log": "import logging\nlogging.FileHandler(OUT + '/x.log').emit(logging.makeLogRecord({}))",
    "an archive": "import tarfile\nt = tarfile.open('x.tar', 'w')\nt.add(OTHER)\nt.close()\nfound = open('x.tar', 'rb').read()",
    "compiled code for the next run": (
        "import glob, shutil\nfor path in glob.glob(PACKAGE + '/__pycache__/*.pyc') or [PACKAGE + '/x.pyc']:\n"
        "    os.write(os.open(path, os.O_WRONLY | os.O_CREAT), b'x')"),
    "the package for the next run": "os.write(os.open(PACKAGE + '/__init__.py', os.O_WRONLY | os.O_APPEND), b'\\n1 / 0\\n')",
    "the checks for the next run": (
        "top = os.open(PACKAGE, 0)\nfd = os.open('learn/exact.py', os.O_WRONLY | os.O_APPEND, dir_fd=top)\n"
        "os.write(fd, b'\\ndef same(*a, **k): return True\\n')"),
    "a module that every Python loads": "os.write(os.open(LIBRARY + '/sitecustomize.py', os.O_CREAT | os.O_WRONLY), b'1 / 0')",
    "a path that every Python loads": (
        "import numpy\nfolder = os.path.dirname(os.path.dirname(numpy.__file__))\n"
        "os.write(os.open(folder + '/x.pth', os.O_CREAT | os.O_WRONLY), b'import x')"),
    "a cache of Matplotlib for the next one": (
        "import pathlib\ncache = pathlib.Path.home() / '.cache' / 'matplotlib'\ncache.mkdir(parents=True, exist_ok=True)\n"
        "(cache / 'fontlist-v390.json').write_text('{')\nfound = os.path.exists('/tmp/mallory') and 'SEEN'"),
    "a file beside the next submission": (
        "found = os.path.exists('left-behind') and 'SEEN'\nopen('left-behind', 'w').close()"),
    "the same file once more": "found = os.path.exists('left-behind') and 'SEEN'",
    "a folder for all": "found = [os.mkdir(f + '/mallory') or f for f in ('/tmp', '/var/tmp', '/dev/shm', '/run') if os.access(f, 2)]",
    "another root": "os.chroot('.')\nfound = 'SEEN'",
}  # fmt: skip
