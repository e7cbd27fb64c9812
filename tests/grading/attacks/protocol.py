"""Messages made by hand: what no honest process sends to the judge."""

FORGE = """
import json, struct, sys, time
def frame(header, body=b"", sizes=None):
    text = header if isinstance(header, bytes) else json.dumps(header | {"sizes": [len(body)] if sizes is None else sizes}).encode()
    os.write(3, struct.pack("!IQ", len(text), len(body)) + text + body)
    time.sleep(0.05)
def forge(*values, body=b"", sizes=None, **more):
    at = sys._getframe()
    while "message" not in at.f_locals: at = at.f_back
    whole = {"return": at.f_locals["message"]["call"], "changed": [], "values": list(values), "attributes": [],
             "changes": [], "nodes": [], "arrays": []}
    frame(whole | more, body, sizes)
def unbroadcast(g, shape):
    while True:
        attack(g, shape)
"""


def sent(call: str) -> str:
    """A submission whose answer is such a message."""
    return f"{FORGE}\ndef attack(g, shape):\n    {call}\n"


def node(op: str, params: str = "[]", parents: str = "[1001]", n: int = 1003) -> str:
    """A node as the protocol has it, on a parameter with the number 1001."""
    leaf = '[1001, "parameter", [], [], ["<f8", [2]], ["<f8", [2], 0, True], None, True]'
    return f'forge({{"#": {n}}}, body=bytes(16), nodes=[{leaf}, [{n}, {op!r}, {parents}, {params}, None, None, None, True]])'


HOSTILE = "\"__import__('os').system('touch /tmp/mallory')\""

ATTACKS = {
    "noise": sent("frame(b'x' * 10**6)"),
    "half a frame": sent("os.write(3, struct.pack('!IQ', 100, 0) + b'{')\n    time.sleep(30)"),
    "a frame of all the memory": sent("os.write(3, struct.pack('!IQ', 2**32 - 1, 2**63))\n    time.sleep(30)"),
    "no header": sent("frame(b'')"),
    "a header that is a list": sent("frame(b'[1]')"),
    "a header that is a number": sent("frame(b'1e999')"),
    "a deep header": sent("frame(b'{\"values\":' + b'[' * 10**5 + b']' * 10**5 + b',\"sizes\":[]}')"),
    "a long number": sent("frame(b'{\"return\":' + b'9' * 10**5 + b',\"sizes\":[]}')"),
    "two headers": sent("frame(b'{\"sizes\":[]}{\"sizes\":[]}')"),
    "a header that is no UTF-8": sent("frame(b'{\"sizes\":[],\"x\":\"\\xff\"}')"),
    "sizes below zero": sent("forge(True, body=b'x' * 99, sizes=[-5, 104])"),
    "sizes that are text": sent("forge(True, sizes=['1'])"),
    "many sizes": sent("forge(True, sizes=[0] * 10**6)"),
    "more than there is": sent("forge({'array': ['<f8', [10], 0, True]}, body=bytes(8))"),
    "nothing": sent("frame({})"),
    "no values": sent("forge()"),
    "many values": sent("forge(*[1] * 10**5)"),
    "another call's answer": sent("forge(True, **{'return': 2})"),
    "an answer to no call": sent("forge(True, **{'return': [1]})"),
    "a score": sent("frame({'return': 1, 'points': 99, 'values': [99]})"),
    "a call of the service": sent("frame({'call': 1, 'n': 0, 'method': 'run', 'seconds': 9, 'values': [[[['a', 'import os']]], {}],"
                                 " 'attributes': [], 'changes': [], 'nodes': [], 'arrays': []})"),
    "a call of a method below": sent("frame({'call': 1, 'n': 0, 'method': '__init__', 'seconds': 9, 'values': [[], {'dict': []}],"
                                    " 'attributes': [], 'changes': [], 'nodes': [], 'arrays': []})"),
    "calls without end": sent("[frame({'call': 1, 'n': 2, 'method': '', 'seconds': 1e9, 'values': [[], {'dict': []}],"
                              " 'attributes': [], 'changes': [], 'nodes': [], 'arrays': []}) for _ in range(10**6)]"),
    "changed arguments that are none": sent("forge(1.0, 2.0, changed=[99])"),
    "changed arguments below zero": sent("forge(1.0, {'array': ['<f8', [1], 0, True]}, body=bytes(8), changed=[-1])"),
    "changed arguments by name": sent("forge(1.0, 2.0, changed=['x'])"),
    "an array of objects": sent("forge({'array': ['O', [1], 0, True]}, body=bytes(8))"),
    "an array of records": sent("forge({'array': ['f8,O', [1], 0, True]}, body=bytes(16))"),
    "an array of an unknown kind": sent("forge({'array': [{'names': ['a'], 'formats': ['O']}, [1], 0, True]}, body=bytes(8))"),
    "an array with a kind of a gigabyte": sent("forge({'array': ['V1000000000', [1], 0, True]}, body=bytes(8))"),
    "an array with a shape below zero": sent("forge({'array': ['<f8', [-1, -1], 0, True]}, body=bytes(8))"),
    "an array with a huge shape": sent("forge({'array': ['<f8', [2**62, 0, 2**62], 0, True]}, body=b'')"),
    "an array with many axes": sent("forge({'array': ['<f8', [1] * 70, 0, True]}, body=bytes(8))"),
    "an array with a shape of text": sent("forge({'array': ['<f8', '11', 0, True]}, body=bytes(88))"),
    "an array from no place": sent("forge({'array': ['<f8', [1], -1, True]}, body=bytes(8))"),
    "a scalar of an array": sent("forge({'scalar': ['<f8', [1], 0, True]}, body=bytes(8))"),
    "a huge number": sent("forge({'int': '0x' + 'f' * 10**6})"),
    "a number with a name": sent("forge({'int': '__import__'})"),
    "a float that is none": sent("forge({'float': 'x' * 10**6})"),
    "an endless range": sent("forge({'range': [0, 10**30, 1]})"),
    "a deep value": sent("x = 1\n    for _ in range(900): x = {'list': [x]}\n    forge(x)"),
    "a wide value": sent("x = 1\n    for _ in range(20): x = {'list': [x, x]}\n    forge(x)"),
    "a list of everything": sent("forge({'list': [0] * 10**6})"),
    "a set of lists": sent("forge({'set': [{'list': []}]})"),
    "a table with keys that collide": sent("forge({'dict': [[{'int': hex(i * (2**61 - 1))}, 0] for i in range(30000)]})"),
    "a tag of no value": sent("forge({'eval': '1'})"),
    "two tags": sent("forge({'list': [], 'dict': []})"),
    "no tag": sent("forge({})"),
    "a thing of nobody": sent("forge({'#': 12345})"),
    "a thing that is a list": sent("forge({'#': [1]})"),
    "the service as an answer": sent("forge({'#': 0})"),
    "a known thing that is none": sent("forge({'known': 'class os:system'})"),
    "a known thing by a long way": sent("forge({'known': 'class tinygrad_lora.nn.layer:Layer.__init__'})"),
    "a known thing of Python": sent("forge({'known': 'type eval'})"),
    "a known thing of NumPy": sent("forge({'known': 'scalar load'})"),
    "a state of chance that is none": sent("forge({'rng': {'bit_generator': 'PCG64', 'state': {'state': 'x'}}})"),
    "a chance of no kind": sent("forge({'rng': {'bit_generator': 'os', 'state': {}}})"),
    "a function with a name of code": sent(f"forge({{'n': 1001, 'function': {HOSTILE}, 'blank': False, 'parameters': None}})"),
    "a function with parameters of code": sent(
        f"forge({{'n': 1001, 'function': 'f', 'blank': False, 'parameters': [[{HOSTILE}, 1, {HOSTILE}]]}})"),
    "a class that compares": sent("forge({'n': 1001, 'class': 'A', 'bases': [], 'methods': ['__eq__'], 'blank': False,"
                                  " 'parameters': None, 'takes': {'__eq__': None}})"),
    "a class that is a module's": sent("forge({'n': 1001, 'class': 'A', 'bases': ['class os:PathLike'], 'methods': [], 'blank': False,"
                                       " 'parameters': None, 'takes': {}})"),
    "a class with a million methods": sent("forge({'n': 1001, 'class': 'A', 'bases': [], 'methods': ['m%d' % i for i in range(10**5)],"
                                           " 'blank': False, 'parameters': None, 'takes': {'m%d' % i: None for i in range(10**5)}})"),
    "an object of a type of Python": sent("forge({'n': 1001, 'object': {'known': 'type str'}, 'vars': []})"),
    "an object with a class": sent("forge({'n': 1001, 'object': {'known': 'class tinygrad_lora.nn.linear:Linear'},"
                                   " 'vars': [['__class__', 1]]})"),
    "an object without its attributes": sent("forge({'n': 1001, 'object': {'known': 'class tinygrad_lora.nn.linear:Linear'}, 'vars': []})"),
    "attributes of what is not its own": sent("forge(True, attributes=[[0, [['service', 1]], []]])"),
    "a number used twice": sent("forge({'list': [{'shared': [1001, ['<f8', [1], 0, True]]}, {'shared': [1001, ['<f8', [1], 0, True]]}]}, body=bytes(8))"),
    "a number of the judge": sent("forge({'shared': [2, ['<f8', [1], 0, True]]}, body=bytes(8))"),
    "a node of no operation": sent(node("__import__")),
    "a node with code": sent(node("scale",  f'[["factor", {HOSTILE}]]')),
    "a node with a parameter of its own": sent(node("scale", '[["factor", 2.0], ["__class__", 1]]')),
    "a node on itself": sent(node("exp", parents="[1003]")),
    "a node on nothing": sent(node("matmul", parents="[]")),
    "a node on a list": sent(node("exp", parents="[0]")),
    "a node of all the memory": sent(node("broadcast", '[["shape", {"tuple": [1000000000, 1000, 2]}]]')),
    "a node as large as the limit": sent(node("broadcast", '[["shape", {"tuple": [100000000, 2]}]]')),
    "a node with a shape below zero": sent(node("broadcast", '[["shape", {"tuple": [-1, 2]}]]')),
    "a node with an axis of nowhere": sent(node("sum", '[["axis", 99], ["keepdims", true]]'.replace("true", "True"))),
    "nodes that double": sent(
        "leaf = [1001, 'parameter', [], [], ['<f8', [2]], ['<f8', [2], 0, True], None, True]\n"
        "    more = [[1003 + 2 * i, 'concatenate', [1001 + 2 * i] * 2, [['axis', 0]], None, None, None, True]"
        " for i in range(60)]\n    forge({'#': 1121}, body=bytes(16), nodes=[leaf, *more])"),
    "products without end": sent(
        "leaf = [1001, 'parameter', [], [], ['<f8', [1500, 1500]], ['<f8', [1500, 1500], 0, True], None, True]\n"
        "    more = [[1003 + 2 * i, 'matmul', [1001 + 2 * i] * 2, [], None, None, None, True] for i in range(500)]\n"
        "    forge({'#': 2001}, body=bytes(18000000), nodes=[leaf, *more])"),
    "a power without end": sent(node("power", '[["exponent", {"int": "0x" + "f" * 9000}]]')),
    "a graph of no nodes": sent("forge({'graph': [1001, {'list': [1]}, {'list': [2]}, {'list': []}]})"),
    "a compiled function that is none": sent("forge({'compiled': 3})"),
    "an array written into a node": sent("forge(True, arrays=[[0, ['<f8', [1], 0, True]]], body=bytes(8))"),
    "a gradient of another shape": sent("forge(True, changes=[[0, None, ['<f8', [1], 0, True], None, True]], body=bytes(8))"),
    "many nodes": sent(
        "leaf = [1001, 'parameter', [], [], ['<f8', [2]], ['<f8', [2], 0, True], None, True]\n"
        "    more = [[1003 + 2 * i, 'exp', [1001 + 2 * i], [], None, None, None, True] for i in range(10**6 // 4)]\n"
        "    forge({'#': 1003}, body=bytes(16), nodes=[leaf, *more])"),
    "an error of no kind": sent("forge(None, **{'raise': ['x'], 'text': 3, 'line': {}})"),
    "an error with a long name": sent("forge(None, **{'raise': 'E' * 10**6, 'text': 'x' * 10**6, 'line': ''})"),
    "an error with operands": sent("forge({'list': [1, 2, 3]}, **{'raise': 'ShapeError', 'text': 'x', 'line': ''})"),
    "an error that ends Python": sent("forge(None, **{'raise': 'SystemExit', 'text': '', 'line': ''})"),
    "an error of the checks": sent("forge(None, **{'raise': 'Wrong', 'text': '', 'line': ''})"),
    "an answer that forgets": sent("frame({'forget': True, 'values': [], 'attributes': [], 'changes': [], 'nodes': [], 'arrays': []})"),
    "an answer twice over": sent("forge({'array': ['<f8', [1], 0, True]}, body=bytes(8))\n    forge(True)\n    forge(True)"),
    "answers in advance": sent(
        "for n in range(2, 400, 2): forge({'array': ['<f8', [2], 0, True]}, body=bytes(16), **{'return': n})"),
    "a list of functions in advance": (
        f"{FORGE}\nfor n in range(2, 40, 2): forge({{'dict': [['unbroadcast', True]]}}, **{{'return': n}})"),
    "the report of the cells": f"{FORGE}\nforge({{'list': ['x' * 10**5] * 100}})",
    "calls whose replies nobody reads": sent(
        "while True: os.write(3, struct.pack('!IQ', len(c), 0) + c)").replace("def attack(g, shape):", (
        "c = json.dumps({'call': 1, 'n': 0, 'method': 'x' * 190, 'seconds': 1e308, 'values': [{'list': []}, {'dict': []}],\n"
        "    'attributes': [], 'changes': [], 'nodes': [], 'arrays': [], 'sizes': []}).encode()\ndef attack(g, shape):")),
    "a call with no number of seconds": sent("frame(b'{\"call\": 1, \"n\": 0, \"method\": \"\", \"seconds\": NaN, \"values\": [], \"attributes\": [],"
                                             " \"changes\": [], \"nodes\": [], \"arrays\": [], \"sizes\": []}')"),
    "fields twice": sent("frame(b'{\"return\": 2, \"return\": 4, \"changed\": [], \"values\": [], \"values\": [true], \"attributes\": [],"
                         " \"changes\": [], \"nodes\": [], \"arrays\": [], \"sizes\": []}')"),
    "an argument that becomes complex": sent(
        "forge({'array': ['<f8', [1], 0, True]}, {'array': ['<c16', list(g.shape), 1, True]}, body=bytes(8 + 16 * g.size),"
        " sizes=[8, 16 * g.size], changed=[1])"),
    "an argument that becomes something else": sent("forge(True, {'list': [1]}, changed=[0])"),
    "a name of an argument": sent("forge(True, {'dict': [['shape', {'tuple': [0]}]]}, changed=[3])"),
    "an empty array with long axes": sent("forge({'array': ['<f8', [2**62, 0], 0, True]}, body=b'')"),
    "an empty array of many axes": sent("forge({'array': ['<f8', [0] * 10**5, 0, True]}, body=b'')"),
    "a dtype of a large part": sent("forge({'dtype': '(1000000,1000000)f8'})"),
    "a dtype that is a list": sent("forge({'dtype': [['a', 'f8'], ['b', 'O']]})"),
    "a long dtype": sent("forge({'dtype': 'f8,' * 10**6})"),
    "compiled functions in each other": sent("x = {'known': 'op exp'}\n    for _ in range(900): x = {'compiled': x}\n    forge(x)"),
    "a name of markup": sent(
        "leaf = [1001, 'parameter', [], [], ['<f8', [2]], ['<f8', [2], 0, True], '<script>' * 10**6, True]\n"
        "    forge({'#': 1001}, body=bytes(16), nodes=[leaf])"),
    "a module of NumPy that is loaded late": sent("forge({'known': 'ufunc testing'})"),
    "the end of an iteration": "def unbroadcast(g, shape):\n    raise StopIteration",
    "an error that is a warning": sent("forge(None, **{'raise': 'DeprecationWarning', 'text': 'x', 'line': ''})"),
    "no time": sent("frame(b' ' * 60000000 + b'{}')"),
    "a slow frame": sent("os.write(3, struct.pack('!IQ', 100, 0))\n    for _ in range(100):\n        os.write(3, b' '); time.sleep(0.3)"),
    "a closed end": "def unbroadcast(g, shape):\n    import os, time; os.close(3); time.sleep(30)",
    "another end": "def unbroadcast(g, shape):\n    import os, time; os.dup2(os.open('x', os.O_CREAT | os.O_RDWR), 3); time.sleep(30)",
}  # fmt: skip
