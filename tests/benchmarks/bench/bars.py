"""The project's goals as data, and whether they are met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_lora.terminal import Track

from . import compiling
from .measure import Plan, Row, running
from .report import markdown
from .results import Result, ratio_of
from .workloads import ONE


class Cell(NamedTuple):
    """A ratio, ours / theirs."""

    workload: str
    size: str
    peer: str


class Probe(NamedTuple):
    """One number of a probe (probes.py) of a peer."""

    name: str
    peer: str
    workload: str
    size: str
    key: str


class Bar(NamedTuple):
    """A goal: `value`, computed from the measured `needs`, must be at most `gate`."""

    what: str
    gate: float
    needs: tuple[Cell | Probe, ...]
    unit: str = ""
    value: Callable[..., float] = lambda measured: measured

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The cases that it is about."""
        return [(need.workload, need.size) for need in self.needs]


def against(peer: str, gates: Mapping[str, Mapping[str, float]]) -> list[Bar]:
    """Bars for the time against a peer, by workload and size."""
    return [
        Bar(f"{workload} {size} against {peer}".replace(f" {ONE} ", " "), gate, (Cell(workload, size, peer),))
        for workload, sizes in gates.items()
        for size, gate in sizes.items()
    ]


def ours(name: str, workload: str, size: str, key: str) -> Probe:
    """A number of a probe of ours."""
    return Probe(name, "ours", workload, size, key)


def quotient(a: float, b: float) -> float:
    """The first of two needs by the second."""
    return a / b


def _calls(workload: str, gate: int) -> list[Bar]:
    count, speed = ours("calls", workload, "S", "calls"), ours("speed", workload, "S", "microseconds")
    return [
        Bar(f"{workload}: NumPy calls in the generated step", gate, (count,)),
        Bar(f"{workload} S: time for each of them", 0.85, (speed, count), " us", quotient),
    ]


def _memory(workload: str, size: str) -> list[Bar]:
    peak, eager = (Probe("memory", peer, workload, size, "peak") for peer in ("ours", "ours-eager"))
    allocated = ours("memory", workload, size, "allocated")
    return [
        Bar(f"{workload} {size}: allocated in a steady step", 64, (allocated,), " KB", lambda n: n / 1024),
        Bar(f"{workload} {size}: peak memory against eager", 0.75, (peak, eager), value=quotient),
    ]


def _compiling(case: str, gate: float) -> list[Bar]:
    """So many microseconds a node at 1,000 nodes, and not much more at 10,000 and at 100,000."""
    few, *more = (ours("compiling", case, size, "microseconds") for size in compiling.SIZES)
    return [
        Bar(f"compiling a {case} of 1,000 nodes, for each", gate, (few,), " us"),
        Bar(f"verifying that {case}, in the time to compile", 10, (few._replace(key="verifying"),), " %"),
        *(
            Bar(
                f"compiling a {case} of {int(need.size):,} nodes, for each, against 1,000",
                1.6,
                (need, few),
                value=quotient,
            )
            for need in more
        ),
    ]


COMPILING: list[Bar] = [*_compiling("chain", 15), *_compiling("network", 60), *_compiling("transformer", 60)]
BARS: list[Bar] = [
    *_calls("W3", 20),
    *_calls("W4", 90),
    *against("floor", {"W2": {"L": 1.08}, "W3": {"M": 1.18, "L": 1.12, "XL": 1.20},
                       "W4": {"M": 1.30, "L": 1.28, "XL": 1.38}}),
    *against("naive", {"W3": {"S": 0.45, "M": 0.92, "L": 1.0, "XL": 0.95},
                       "W4": {"S": 0.38, "M": 0.82, "L": 0.86, "XL": 0.82},
                       "W5": {"S": 0.60, "M": 0.66, "L": 0.60, "XL": 0.55}}),
    *against("torch", {"W1": {"S": 0.30}, "W2": {"S": 0.40}, "W3": {"S": 0.15}, "W3ce": {"S": 0.30},
                       "W4": {"S": 0.20}}),
    *against("jax", {"W3": {"S": 0.45}, "W4": {"S": 0.75}}),
    *against("torch.compile", {"W3": {"S": 0.30}, "W4": {"S": 0.45}}),
    *against("ours-eager", {"W6": {ONE: 0.12}}),
    *against("naive", {"W8": {ONE: 0.50}}),
    Bar("W8: 1,000 steps of all lengths with compiling, against the steps", 2.0,
        (ours("all_lengths", "W8", ONE, "included"),)),
    Bar("W8: the same with names padded to one length", 2.0,
        (Probe("all_lengths", "ours-padded", "W8", ONE, "included"),)),
    Bar("W8: compiling for the thirteenth length, against the first", 0.10,
        (ours("all_lengths", "W8", ONE, "new_length"),)),
    *(Bar(f"16 adapters of width {width} in one step, against 16", gate, (ours("stacked", "W4", width, "ratio"),))
      for width, gate in {"64": 0.32, "256": 0.60, "384": 0.80}.items()),
    *COMPILING,
    *(Bar(f"{workload} S: comparing the first call, against compiling", 0.15,
          (ours("checking", workload, "S", "share"),)) for workload in ("W3", "W4")),
    *(bar for workload in ("W3", "W4") for size in ("L", "XL") for bar in _memory(workload, size)),
    Bar("importing the package, after NumPy", 60, (ours("importing", "", "", "milliseconds"),), " ms"),
]  # fmt: skip


def plans_for(bars: Iterable[Bar]) -> list[Plan]:
    """Plans that measure every ratio that the bars need, and no others."""
    peers: dict[tuple[str, str], list[str]] = {}
    for need in dict.fromkeys(need for bar in bars for need in bar.needs):
        if isinstance(need, Cell):
            peers.setdefault((need.workload, need.size), ["ours"]).append(need.peer)
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for case, names in peers.items():
        groups.setdefault(tuple(names), []).append(case)
    return [Plan(cases, names) for names, cases in groups.items()]


def probing(bars: Iterable[Bar], seed: int, track: Track) -> Iterator[Row]:
    """Run every probe that the bars need: one row each."""
    wanted = [need[:4] for bar in bars for need in bar.needs if isinstance(need, Probe)]
    first = True
    for name, peer, workload, size in track(list(dict.fromkeys(wanted)), "calls, memory, compiling"):
        with running(peer, 1) as process:
            if first:
                yield {"kind": "environment", "launch": 0, "threads": 1, "seed": seed, **process.ask("environment")}
            first = False
            answer = process.ask("probe", name=name, workload=workload, size=size, seed=seed)
        yield {"kind": "probe", "name": name, "peer": peer, "workload": workload, "size": size, **answer}


def judged(bars: Iterable[Bar], measured: Sequence[Result], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """For each bar what was measured, and whether it is met, missed, or not measured."""
    probes = {(r["name"], r["peer"], r["workload"], r["size"]): r for r in rows if r["kind"] == "probe"}
    verdicts = []
    for bar in bars:
        numbers = [
            ratio_of(measured, *need) if isinstance(need, Cell) else probes.get(need[:4], {}).get(need.key)
            for need in bar.needs
        ]
        value = None if None in numbers else bar.value(*numbers)
        verdict = "not measured" if value is None else "met" if value <= bar.gate else "missed"
        verdicts.append({"bar": bar.what, "value": value, "gate": bar.gate, "unit": bar.unit, "verdict": verdict})
    return verdicts


def shown(value: float | None) -> str:
    """The number with three digits."""
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def bar_table(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """Markdown."""
    rows = [["goal", "measured", "at most", ""]]
    for bar in verdicts:
        rows.append([bar["bar"], shown(bar["value"]) + bar["unit"], f"{bar['gate']:g}{bar['unit']}", bar["verdict"]])
    return markdown(rows)
