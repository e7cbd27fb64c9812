"""Connections: to this machine, to the network, to whatever listens."""

ATTACKS = {
    "a connection to this machine": "import socket\nfound = socket.create_connection(('127.0.0.1', PORT), 2).recv(99)",
    "a connection below the module": (
        "import _socket\ns = _socket.socket()\ns.connect(('127.0.0.1', PORT))\nfound = 'SEEN'"),
    "a connection of asyncio": (
        "import asyncio\nasync def main():\n    await asyncio.open_connection('127.0.0.1', PORT)\n"
        "asyncio.run(main())\nfound = 'SEEN'"),
    "a connection of multiprocessing": (
        "from multiprocessing.connection import Client\nClient(('127.0.0.1', PORT))\nfound = 'SEEN'"),
    "a connection of the C library": (
        "import ctypes, struct\nlibc = ctypes.CDLL(None)\na = struct.pack('<H', 2) + struct.pack('>H', PORT) + bytes([127, 0, 0, 1]) "
        "+ bytes(8)\nfound = libc.connect(libc.socket(2, 1, 0), a, 16) == 0 and 'SEEN'"),
    "a socket in a file": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(UNIX)\nfound = 'SEEN'",
    "a socket without a file": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(ABSTRACT)\nfound = 'SEEN'",
    "a packet": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "a raw packet": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nfound = 'SEEN'",
    "the virtual machine's host": (
        "import socket\ns = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)\ns.settimeout(2)\ns.connect((2, 22))\nfound = 'SEEN'"),
    "a socket of any kind, below the module": (
        "import _socket\nfound = []\nfor family in range(46):\n    for kind in range(1, 7):\n"
        "        try: found.append((family, _socket.socket(family, kind) and 'SEEN'))\n        except OSError: pass"),
    "a socket of any kind, of the C library": (
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "found = [(f, 'SEEN') for f in range(46) for k in range(1, 7) if libc.socket(f, k, 0) >= 0]"),
    "the log of the kernel": (
        "import ctypes\nfound = ctypes.CDLL(None).klogctl(3, ctypes.create_string_buffer(4096), 4096) > 0 and 'SEEN'"),
    "the interfaces of the kernel": "import socket\nfound = [n for _, n in socket.if_nameindex() if n != 'lo']",
    "a name": "import socket\nfound = socket.getaddrinfo('example.com', 80)",
    "a page": "import urllib.request\nfound = urllib.request.urlopen('http://127.0.0.1:%d/' % PORT, timeout=2).read()",
    "a mail": "import smtplib\nsmtplib.SMTP('127.0.0.1', PORT, timeout=2)",
    "a server": "import http.server\nhttp.server.HTTPServer(('0.0.0.0', 0), None)",
    "the channel as a socket": "import socket\nsocket.socket(fileno=3).send(b'x' * 99)",
    "what it has inherited": (
        "found = []\nfor fd in range(4, 300):\n    try:\n        os.write(fd, b'x')\n        found.append(fd)\n"
        "    except OSError: pass"),
    "what it has inherited, read": (
        "found = []\nfor fd in range(4, 300):\n    try:\n        os.fstat(fd)\n        found.append(fd)\n"
        "    except OSError: pass"),
    "the system's log": "import syslog\nsyslog.syslog('mallory')",
}  # fmt: skip
