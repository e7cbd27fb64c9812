r"""A memory table

How many bytes of memory does training need? Count the weights and the numbers that belong to them, but not the
activations.

A number in float32 takes 4 bytes. A number that is **trained** also has a gradient and Adam's two averages; all three
are in float32. A number that is **frozen** has none of these.

Write `training_bytes(n, adapter)`. It returns a dictionary with the bytes for a model of `n` weights:

* `"full"`: all weights are trained, in float32.
* `"lora"`: the weights are frozen, in float32. Beside them, `adapter` numbers are trained.
* `"qlora"`: the same, but a frozen weight takes 4 bits, and each block of 64 has a scale in float32.

`n` is a multiple of 64. All three are whole numbers.
"""

from tinygrad_lora.learn.authoring import Exercise, as_whole, entry, explanation, generators, refuse

HINTS = (
    "How many bytes are there for one trained number: itself, its gradient, and two averages?",
    "Frozen in float32: 4 bytes for a weight. In four bits: half a byte, and 4 bytes for every 64 weights.",
    '`{"full": 16 * n, "lora": 4 * n + 16 * adapter, "qlora": n // 2 + 4 * (n // 64) + 16 * adapter}`',
)
ABOUT = (
    "A trained number takes four times as much memory as a frozen one, so LoRA saves three quarters at most. Four bits "
    "save seven eighths of the rest, minus a little for the scales."
)
NEXT = "Add the activations: a layer keeps x, here a batch of 1,000 rows. For which widths is x larger than the weight?"
exercise = Exercise("15-memory", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def training_bytes(n, adapter):
    """The bytes of full fine-tuning, LoRA and QLoRA, without activations."""
    trained = 4 + 4 + 2 * 4
    return {
        "full": trained * n,
        "lora": 4 * n + trained * adapter,
        "qlora": n // 2 + n // 64 * 4 + trained * adapter,
    }


@exercise.another()
def in_bits(n, adapter):
    """Count bits, and divide at the end: 4.5 for a weight of four bits with its part of the scale."""
    trained = 4 * 32
    frozen = {"full": trained, "lora": 32, "qlora": 4.5}
    return {way: int(bits * n + trained * adapter * (way != "full")) // 8 for way, bits in frozen.items()}


RIGHT = {
    "full": lambda n, a: 16 * n,
    "lora": lambda n, a: 4 * n + 16 * a,
    "qlora": lambda n, a: n // 2 + n // 64 * 4 + 16 * a,
}
NOT_TRAINED = "A number of the adapter is trained, so it takes 16 bytes"
MISTAKES = {
    "full": (
        ("weights-alone", "Those are the weights alone; each also has a gradient and two averages", lambda n, a: 4 * n),
        ("memories-forgotten", "Adam keeps two averages for each weight", lambda n, a: 8 * n),
        ("one-memory", "A weight, a gradient and two averages are four numbers, not three", lambda n, a: 12 * n),
        ("adapter-counted", "Full fine-tuning has no adapter", lambda n, a: 16 * (n + a)),
        ("numbers-for-bytes", "That is the number of weights, not of bytes", lambda n, a: n),
        ("bits-for-bytes", "That is in bits; a byte has 8", lambda n, a: 128 * n),
        ("float64", "That is float64; float32 takes 4 bytes", lambda n, a: 32 * n),
    ),
    "lora": (
        ("frozen-counted", "A frozen weight has no gradient and no averages", lambda n, a: 16 * n + 16 * a),
        ("frozen-counted", "A frozen weight has no gradient", lambda n, a: 8 * n + 16 * a),
        ("adapter-not-trained", NOT_TRAINED, lambda n, a: 4 * n + 4 * a),
        ("memories-forgotten", "Adam keeps two averages for each number of the adapter", lambda n, a: 4 * n + 8 * a),
        ("one-memory", "A number, a gradient and two averages are four numbers", lambda n, a: 4 * n + 12 * a),
        ("base-forgotten", "The frozen weights must be in memory, too", lambda n, a: 16 * a),
        ("weight-in-adapter", "The number itself counts once; 16 bytes hold all four", lambda n, a: 4 * n + 20 * a),
        ("adapter-forgotten", "The numbers of the adapter are missing", lambda n, a: 4 * n),
    ),
    "qlora": (
        ("scales-forgotten", "Each block of 64 has a scale of 4 bytes", lambda n, a: n // 2 + 16 * a),
        ("bits-for-bytes", "4 bits are half a byte", lambda n, a: 4 * n + 4 * (n // 64) + 16 * a),
        ("bits-for-bytes", "A scale of 32 bits is 4 bytes", lambda n, a: n // 2 + 32 * (n // 64) + 16 * a),
        ("scale-for-each", "A block of 64 shares one scale", lambda n, a: n // 2 + 4 * n + 16 * a),
        ("scales-in-codes", "A scale takes 4 bytes, not one", lambda n, a: n // 2 + n // 64 + 16 * a),
        ("scales-in-codes", "A scale is a float32, not four bits", lambda n, a: n // 2 + n // 128 + 16 * a),
        ("one-byte", "4 bits are half a byte, not one", lambda n, a: n + 4 * (n // 64) + 16 * a),
        ("adapter-not-trained", NOT_TRAINED, lambda n, a: n // 2 + 4 * (n // 64) + 4 * a),
        ("memories-forgotten", "Adam keeps two averages for each number of the adapter",
         lambda n, a: n // 2 + n // 16 + 8 * a),
        ("adapter-forgotten", "The numbers of the adapter are missing", lambda n, a: n // 2 + 4 * (n // 64)),
        ("adapter-quantized", "The adapter is trained in float32, so each number takes 16 bytes",
         lambda n, a: (n + a) // 2 + n // 16),
        ("frozen-counted", "Frozen codes have no gradient and no averages",
         lambda n, a: n // 2 + n // 16 + 12 * n + 16 * a),
        ("same-as-lora", "That is LoRA; here a frozen weight takes 4 bits", lambda n, a: 4 * n + 16 * a),
    ),
}  # fmt: skip


def judge(training_bytes, ways, seed, budget):
    """Raise, and name the mistake, unless these entries are right."""
    wrong = {way: [] for way in ways}
    cases = [(64, 0), (640, 10), (4096, 256)]
    cases += [(64 * int(n), int(a)) for _, rng in generators(seed, budget) for n, a in [rng.integers(1, 5000, 2)]]
    for case in cases:
        table = training_bytes(*case)
        for way in ways:
            given = entry(table, "the result", way)
            given = int(given) if type(given) is float and given.is_integer() else given
            answer = as_whole(given, f"the entry {way!r}")
            if answer != RIGHT[way](*case):
                wrong[way].append((answer, case))
    for way, answers in wrong.items():
        if answers:
            answer, (n, adapter) = next((one for one in answers if one[1][1]), answers[0])
            sentence = (
                f"with {n:,} weights and an adapter of {adapter:,}, {way!r} takes {RIGHT[way](n, adapter):,} bytes"
            )
            code, why = explanation(answers, MISTAKES[way]) or (
                "differs",
                "Which numbers are in memory, and how many bytes does each take?",
            )
            raise refuse(code, f"{sentence}; yours is {answer:,}. {why}")


@exercise.check(points=2)
def test_what_is_trained_and_what_is_frozen_is_counted(training_bytes, seed, budget):
    judge(training_bytes, ["full", "lora"], seed, budget)


@exercise.check(points=2)
def test_four_bits_and_their_scales_are_counted(training_bytes, seed, budget):
    judge(training_bytes, ["qlora"], seed, budget)
