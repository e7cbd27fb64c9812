"""Known wrong answers: a memory table."""

from tinygrad_lora.learn.exercises.t15.memory import exercise


@exercise.mutant("weights-alone")
def counts_weights_alone(n, adapter):
    return {"full": 4 * n, "lora": 4 * n + 16 * adapter, "qlora": n // 2 + n // 16 + 16 * adapter}


@exercise.mutant("frozen-counted")
def gives_frozen_weights_memories(n, adapter):
    return {"full": 16 * n, "lora": 16 * (n + adapter), "qlora": n // 2 + n // 16 + 16 * adapter}


@exercise.mutant("adapter-not-trained")
def forgets_that_the_adapter_is_trained(n, adapter):
    return {"full": 16 * n, "lora": 4 * (n + adapter), "qlora": n // 2 + n // 16 + 4 * adapter}


@exercise.mutant("scales-forgotten")
def counts_half_bytes_alone(n, adapter):
    return {"full": 16 * n, "lora": 4 * n + 16 * adapter, "qlora": n // 2 + 16 * adapter}


@exercise.mutant("scale-for-each")
def gives_each_weight_a_scale(n, adapter):
    return {"full": 16 * n, "lora": 4 * n + 16 * adapter, "qlora": n // 2 + 4 * n + 16 * adapter}
