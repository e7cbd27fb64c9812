"""Grading a class on one machine or on many: `tinygrad-lora grade SUBMISSIONS --exercises 04`.

One submission, two fresh processes. The **student's** process runs the cells and answers calls. It has limits of the
operating system (time, memory, files), an audit hook, and an empty folder to work in. It holds no reference, no check
and no score. The **judge's** process holds those, and runs the same checks as everywhere else. Only data goes between
them: numbers, arrays, text, and graphs as lists of operations. The judge computes the values of a graph again.

What this protects against, each with a test: loops and recursion without end; memory, output and files without bound;
processes that end, kill, fork or open connections; NumPy, Python or this package exchanged in memory; objects that lie
about equality or about their type; printed or edited scores; damaged and huge files. A name that an exercise does not
ask for is not looked at. Other submissions and the references cannot be opened.

What it does not protect against: the hook is Python, and anyone who runs machine code in the process gets past it.
Nor is it noticed if an answer calls a function of the package that does the same. The limit on processes does not hold
for root. For strangers' code add a container or a virtual machine; for a class that you know this is enough.

Reading order. In `process`: `wire` (frames), `packing` (values), `peer` (calls), `sandbox`, `student`, `zygote`
(forks), `worker`. Here: `submissions`, `judge` (one submission), `grading` (a class), `exports` and `page` (files),
`cluster` (Dask). The command itself is `tinygrad_lora.commands.grade`.
"""
