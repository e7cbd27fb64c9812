"""Grading a class on one machine or on many: `tinygrad-lora grade SUBMISSIONS --exercises 04`.

One submission, two fresh processes. The **student's** process runs the cells and answers calls. It holds no reference,
no check and no score. The **judge's** process holds those, and runs the same checks as everywhere else. Only data goes
between them: numbers, arrays, text, and graphs as lists of operations. The judge computes the values of a graph again,
within a bound on memory and work. What is no such data is refused, and is the submission's fault.

On Linux the operating system holds the student's process, in two steps. `bubblewrap` starts a process that loads NumPy
and the package, inside a wall: read-only Python, nothing of the machine, no network, no reference solution. For each
submission that process forks into namespaces of the submission's own (`namespaces`): it sees no other process, has an
empty folder of limited size, no rights, limits on memory and time, and fewer system calls (`calls`). A worker grades
nothing until such a process has tried to get out and failed (`proof`). Python's audit hook (`hook`) is the layer above:
it stops most attempts earlier and says what was tried.

What is promised and what is not stands in docs/grading.md, and tests/grading/attacks tries it.

Reading order. In `sandbox`: `bubblewrap`, `namespaces`, `calls`, `proof`, `hook`. In `process`: `wire` (frames),
`messages` (what they may be), `packing` (values), `nodes` (graphs), `peer` (calls), `student`, `zygote` (forks),
`worker`. Here: `submissions`, `judge` (one submission), `grading` (a class), `exports`, `gradebook` and `page` (files),
`cluster` (Dask). The command itself is `tinygrad_lora.commands.grade`.
"""
