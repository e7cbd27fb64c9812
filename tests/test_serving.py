"""Many adapters over one base: the numbers of each alone, one program for all, and no memory that grows."""

import copy
import gc
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError
from tinygrad_lora.models.bert import BertConfig, BertModel

RANKS = {"a": 1, "b": 2, "c": 2, "d": 4}


def network(dtype=np.float64):
    return tl.Sequential(tl.Linear(6, 9, seed=0, dtype=dtype), tl.tanh, tl.Linear(9, 4, seed=1, dtype=dtype))


def adapted(ranks=RANKS, model=None, **options):
    """A model with adapters of these ranks, with numbers as after training."""
    model = model or network()
    for i, (name, rank) in enumerate(ranks.items()):
        tl.adapt(model, rank, name=name, seed=i, **options)
        rng = np.random.default_rng(i)
        for p in model.parameters():
            p.value = (p.value + rng.normal(0, 0.5, p.shape)).astype(p.dtype)
    return model


def alone(model, x, names):
    """What each sample gives with its own adapter active, one after the other."""
    rows = []
    for i, name in enumerate(names):
        if name is None:
            with tl.disabled(model):
                rows.append(model.forward(x[i : i + 1]))
        else:
            tl.activate(model, name)
            rows.append(model.forward(x[i : i + 1]))
    return np.concatenate(rows)


def serving(model, names=RANKS, **options):
    server = tl.AdapterServer(model, **options)
    for name in names:
        server.add(name)
    return server


@pytest.fixture(scope="module")
def four():
    model = adapted()
    return model, serving(model)


@given(names=st.lists(st.sampled_from([*RANKS, None]), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_each_sample_gives_what_its_adapter_gives_alone(four, names, seed):
    model, server = four
    x = np.random.default_rng(seed).normal(size=(len(names), 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.errors.RecompileWarning)  # many sizes of batches are the point here
        result = server(x, names=names)
    np.testing.assert_allclose(result, alone(model, x, names), rtol=1e-12, atol=1e-14)
    with tl.by_row(model, names):
        np.testing.assert_allclose(result, model.forward(x), rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_256_adapters_of_two_ranks_in_one_batch_and_one_program():
    rng, layers = np.random.default_rng(0), [tl.LoRALinear.holding(tl.Linear(6, 6, seed=i)) for i in range(2)]
    names = [f"a{i}" for i in range(256)]
    for layer in layers:
        for i, name in enumerate(names):
            A, B = rng.normal(size=(6, 2 + 2 * (i % 2))), rng.normal(size=(2 + 2 * (i % 2), 6))
            layer.attach(name, tl.LoRALayer.from_arrays(A, B))
    model = tl.Sequential(layers[0], tl.tanh, layers[1])
    server = serving(model, names, capacity=128)
    order = [names[i] for i in rng.permutation(256)]
    x = rng.normal(size=(256, 6))
    np.testing.assert_allclose(server(x, names=order), alone(model, x, order), rtol=1e-12, atol=1e-13)
    assert server.compilations == 1 and repr(server).endswith("128 of rank 2, 128 of rank 4)")


@pytest.mark.parametrize("variant", ["rslora", "lora_plus", "lora_fa", "pissa", "olora", "qlora"])
def test_variants_that_are_products_are_served(variant):
    model = adapted({"a": 2, "b": 1}, variant=variant)
    x, names = np.random.default_rng(0).normal(size=(4, 6)), ["b", "a", None, "b"]
    np.testing.assert_allclose(serving(model, "ab")(x, names=names), alone(model, x, names), rtol=1e-11)


def test_sequences_of_tokens_and_layers_of_their_own_ranks():
    model = tl.Sequential(tl.Embedding(11, 6, seed=2), *network())
    model = adapted({"a": 2, "b": 3}, model, rank_pattern={"1": 1})
    tl.adapt(model, 3, ["3"], name="c", seed=5)
    model[3].lora.lora_B.value = np.random.default_rng(3).normal(size=(3, 4))
    tokens, names = np.random.default_rng(1).integers(0, 11, (5, 7)), ["c", "b", None, "a", "c"]
    server = serving(model, "abc")
    np.testing.assert_allclose(server(tokens, names=names), alone(model, tokens, names), rtol=1e-12)
    assert repr(server) == "AdapterServer(3 adapters in 2 layers: 1 of rank 2, 2 of rank 3)"


def test_a_model_that_is_one_layer_and_layers_in_lists_and_in_two_places():
    x, names = np.random.default_rng(0).normal(size=(3, 4)), ["a", None, "a"]
    single = tl.LoRALinear(tl.Linear(4, 3, seed=0), 2, seed=1)
    single.lora.lora_B.value = np.ones((2, 3))
    server = tl.AdapterServer(single)
    server.add("a", single, "lora")
    np.testing.assert_allclose(server(x, names=names)[::2], single.forward(x)[::2], rtol=1e-12)

    class Twice(tl.Layer):
        def __init__(self):
            self.blocks = [tl.Sequential(tl.Linear(4, 4, seed=0), tl.tanh), {"in": tl.LayerNorm(4)}]
            self.again = self.blocks[0][0]

        def __call__(self, x):
            return self.again(self.blocks[1]["in"](self.blocks[0](x)))

    model = adapted({"a": 2}, Twice())
    server = serving(model, "a")
    np.testing.assert_allclose(server(x, names=names), alone(model, x, names), rtol=1e-12)


def test_a_transformer_with_a_mask():
    config = BertConfig(20, 12, 2, 3, 16, max_position_embeddings=8)
    model = adapted({"a": 2, "b": 3}, BertModel(config, seed=0, dtype=np.float64), target_modules=["query", "dense"])
    rng = np.random.default_rng(0)
    tokens, mask = rng.integers(0, 20, (3, 5)), np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    names = ["b", None, "a"]
    server = tl.AdapterServer(model, ["query", "dense"])
    server.add("a")
    server.add("b")
    with tl.by_row(model, names):
        wanted = model(tl.constant(tokens), tl.constant(mask)).value
    np.testing.assert_allclose(server(tokens, mask, names=names), wanted, rtol=1e-11, atol=1e-13)


def test_threads_share_a_server():
    model = adapted()
    server = serving(model)
    x = np.random.default_rng(0).normal(size=(2, 6))
    pairs = [["a", "b"], ["c", "d"], ["d", None], ["b", "c"]] * 8
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda names: server(x, names=names), pairs))
    for names, answer in zip(pairs, answers, strict=True):
        np.testing.assert_allclose(answer, alone(model, x, names), rtol=1e-12)


def test_in_single_precision_the_answer_is_in_single_precision():
    model = adapted(model=network(np.float32))
    x, names = np.random.default_rng(0).normal(size=(4, 6)), ["a", "d", None, "b"]
    result = serving(model)(x, names=names)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, alone(model, x, names), rtol=1e-4, atol=1e-5)


def test_adapters_come_and_go_without_compiling():
    model = adapted({f"a{i}": 2 for i in range(8)})
    server = tl.AdapterServer(model, capacity=4)
    x = np.random.default_rng(0).normal(size=(3, 6))
    server.add("a0")
    server(x, names=["a0", None, "a0"])
    assert server.compilations == 1
    for i in range(1, 8):
        server.add(f"a{i}")
        if i > 2:
            server.drop(f"a{i - 3}")
        names = [f"a{i}", None, f"a{max(0, i - 1)}"]
        np.testing.assert_allclose(server(x, names=names), alone(model, x, names), rtol=1e-12)
    assert server.compilations == 1 and server.names == ["a5", "a6", "a7"]
    np.testing.assert_allclose(server(x, names=[None] * 3), alone(model, x, [None] * 3), rtol=1e-12)
    assert server.compilations == 2  # without any adapter it is another program, which costs what the base does


def test_more_than_there_is_room_for_makes_room_and_compiles_nothing():
    model = adapted({f"a{i}": 2 for i in range(5)})
    server = serving(model, ["a0", "a1"], capacity=1)
    x, names = np.random.default_rng(0).normal(size=(3, 6)), ["a1", "a0", "a1"]
    before = server(x, names=names)
    for i in range(2, 5):
        server.add(f"a{i}")  # room for 4 and then for 8
    assert (server(x, names=names) == before).all()
    names = ["a4", "a2", "a3"]
    np.testing.assert_allclose(server(x, names=names), alone(model, x, names), rtol=1e-12)
    assert server.compilations == 1


def test_a_slot_that_was_used_before_keeps_nothing():
    model = adapted({"big": 3, "small": 3}, rank_pattern=None)
    tl.adapt(model, 3, ["0"], name="first", seed=7)  # has nothing in the second layer
    model[0].lora.lora_B.value = np.ones((3, 9))
    server = serving(model, ["big"], capacity=1)
    server.drop("big")
    server.add("first")
    x = np.random.default_rng(0).normal(size=(2, 6))
    np.testing.assert_allclose(server(x, names=["first", None]), alone(model, x, ["first", None]), rtol=1e-12)


def test_the_model_stays_as_it_is_and_its_base_may_change():
    model = adapted()
    before, layers = model.forward(np.ones((2, 6))), model.named_layers()
    server = serving(model)
    server(np.ones((2, 6)), names=["a", "b"])
    assert model.named_layers() == layers and (model.forward(np.ones((2, 6))) == before).all()
    model[0].original.weight.value = model[0].original.weight.value * 2
    names = ["d", None]
    np.testing.assert_allclose(server(np.ones((2, 6)), names=names), alone(model, np.ones((2, 6)), names), rtol=1e-12)


def test_adapters_of_other_models_and_new_numbers_under_an_old_name():
    base = network()
    server = tl.AdapterServer(base)
    x = np.random.default_rng(0).normal(size=(2, 6))
    french = adapted({"lora": 2}, copy.deepcopy(base))
    server.add("french", french, "lora")
    np.testing.assert_allclose(server(x, names=["french"] * 2), french.forward(x), rtol=1e-12)
    french[0].lora.lora_A.value = french[0].lora.lora_A.value + 1
    server.drop("french")
    server.add("french", french, "lora")
    np.testing.assert_allclose(server(x, names=["french"] * 2), french.forward(x), rtol=1e-12)
    assert server.compilations == 1


def test_adapters_outside_the_served_layers_do_not_take_part():
    model = adapted({"a": 2}, tl.Sequential(tl.Embedding(5, 6, seed=3), *network()), target_modules=["0", "1"])
    server = tl.AdapterServer(model, ["1"])
    tokens = np.array([[0, 4]])
    with tl.disabled(model):
        np.testing.assert_array_equal(server(tokens, names=[None]), model.forward(tokens))
    with pytest.raises(AdaptError, match="is in '0' too"):
        server.add("a")
    with pytest.raises(AdaptError, match="embeddings are not served: leave out '0'"):
        tl.AdapterServer(model, ["0", "1"])


@pytest.mark.parametrize("kind", [{"variant": "dora"}, {"variant": "loha"}, {"lora_bias": True}], ids=str)
def test_what_is_more_than_a_product_is_refused_and_extracted(kind):
    model = adapted({"a": 2}, **kind)
    server = tl.AdapterServer(model)
    with pytest.raises(AdaptError, match=r"more than s A B: extract_lora"):
        server.add("a")
    if "variant" in kind:
        tl.extract_lora(model, model, energy=1.0, name="plain")
        server.add("plain")
        x = np.random.default_rng(0).normal(size=(1, 6))
        np.testing.assert_allclose(server(x, names=["plain"]), alone(model, x, ["a"]), rtol=1e-10)


def test_what_makes_no_sense_is_refused(four):
    model, server = four
    x = np.ones((2, 6))
    with pytest.raises(AdaptError, match=r"no adapter 'aa' is served, of 4 that are: did you mean 'a'\?"):
        server(x, names=["aa", "a"])
    with pytest.raises(AdaptError, match="'zebra'"):
        server.drop("zebra")
    with pytest.raises(AdaptError, match="called 'a' already"):
        server.add("a")
    with pytest.raises(AdaptError, match="no adapter is called 'e'"):
        server.add("e")
    with pytest.raises(AdaptError, match=r"1 names for an input of shape \(2, 6\)"):
        server(x, names=["a"])
    with pytest.raises(TypeError, match="a list with one for each sample"):
        server(x, names="ab")
    with pytest.raises(ValueError, match="capacity"):
        tl.AdapterServer(model, capacity=0)
    wide = adapted({"w": 2}, tl.Sequential(tl.Linear(7, 9), tl.tanh, tl.Linear(9, 4)))
    with pytest.raises(AdaptError, match=r"is for \(7, 9\), not \(6, 9\)"):
        server.add("w", wide)
    assert server.names == [*RANKS]


@pytest.mark.slow
def test_memory_is_flat_over_a_thousand_mixed_batches():
    count, rng = 16, np.random.default_rng(0)
    model = adapted({f"a{i}": (2, 4)[i % 2] for i in range(count)})
    server = tl.AdapterServer(model, capacity=count)
    served = [f"a{i}" for i in range(count // 2)]
    for name in served:
        server.add(name)
    waiting = [f"a{i}" for i in range(count // 2, count)]

    def batch():
        coming, going = waiting.pop(0), served.pop(0)
        server.add(coming)
        server.drop(going)
        served.append(coming)
        waiting.append(going)
        # Both ranks, in all batches: one program.
        names = [served[-1], served[-2], *rng.choice([*served, None], 6)]
        return server(rng.normal(size=(8, 6)), names=names)

    for _ in range(20):
        batch()
    gc.collect()
    tracemalloc.start()
    try:
        batch()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1_000):
            batch()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4_000, f"{grown:,} bytes more after 1,000 batches"
    assert server.compilations == 1
