"""Repeated blocks: the first is shown, the others are one box; `depth` and `open` say otherwise."""

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.models.llama import LlamaForCausalLM
from tinygrad_lora.models.sentences import SentenceEncoder
from tinygrad_lora.view.diagram.collapse import smaller
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.diagram.layers import every
from tinygrad_lora.view.graphviz.draw import draw
from tinygrad_lora.view.stepper.page import step_through
from tinygrad_lora.view.svg.draw import lay_out

TWO_SCREENS = 1800
SIZES = {"hidden_size": 8, "vocab_size": 11, "intermediate_size": 12, "num_attention_heads": 2}


def bert(blocks):
    return BertModel.from_config({**SIZES, "num_hidden_layers": blocks, "max_position_embeddings": 16}, seed=0)


def titles(shown):
    return [frame.title for frame in every(shown.clusters)]


@pytest.mark.parametrize("blocks", [2, 6, 12])
def test_a_transformer_fits_two_screens_and_shows_one_block(blocks):
    shown = draw(bert(blocks)).diagram
    assert f"encoder.layer \N{MULTIPLICATION SIGN} {blocks}: Block" in titles(shown)
    (rest,) = [box for box in shown.boxes if box.operation == f"{blocks - 1} more Block"]
    assert rest.label == (f"encoder.layer.1 to {blocks - 1}" if blocks > 2 else "encoder.layer.1") and rest.output
    assert lay_out(shown).height <= TWO_SCREENS
    assert "attention" in [box.operation for box in shown.boxes]
    assert sum(box.inside or box.role == "operation" for box in shown.boxes) == len(
        [box for box in diagram(bert(blocks)).boxes if box.role == "operation"]
    )


def test_a_decoder_folds_as_well():
    config = {**SIZES, "num_hidden_layers": 4, "num_key_value_heads": 1, "max_position_embeddings": 16}
    config |= {"rms_norm_eps": 1e-6, "hidden_act": "silu"}
    shown = draw(LlamaForCausalLM.from_config(config, seed=0)).diagram
    assert "model.layers \N{MULTIPLICATION SIGN} 4: DecoderBlock" in titles(shown)


def test_a_network_with_its_tokenizer_is_drawn():
    model = bert(2)
    assert draw(SentenceEncoder(model, None, 8)).diagram == draw(model).diagram


def test_on_request_every_block_is_shown():
    model = bert(3)
    names = {f"encoder.layer.{i}: Block" for i in range(3)}
    for wanted in ("encoder.layer", ["Block", "gelu"], True):
        assert names <= {*titles(draw(model, open=wanted).diagram)}


def test_depth_says_how_many_levels_are_open():
    model = bert(2)
    counts = [len(draw(model, depth=depth).diagram.boxes) for depth in range(1, 8)]
    assert counts == sorted(counts) and counts[0] < 8 and counts[-1] == counts[-2]
    assert [box.operation for box in draw(model, depth=1).diagram.boxes][-1] == "Encoder"
    small = tl.Sequential(tl.Linear(2, 2, seed=0), tl.tanh)
    loss = tl.mse(small(tl.constant(np.ones((1, 2)), "x")), np.ones((1, 2)))
    assert "Sequential" in [box.operation for box in draw(loss, depth=0).diagram.boxes]


def test_what_differs_is_not_folded():
    """Sizes and functions are compared, and how often there is a layer in between."""
    layers = [tl.Linear(4, 4, seed=i) for i in range(8)]
    for layer in layers[::2]:
        layer.activation = tl.tanh
    odd = tl.Sequential(*(tl.Sequential(a, tl.Linear(4, 4, bias=bool(i % 2), seed=9)) for i, a in enumerate(layers)))
    shown = draw(odd, np.ones((2, 4)), open="Linear").diagram
    assert not any("\N{MULTIPLICATION SIGN}" in title for title in titles(shown))


def test_a_small_picture_is_left_as_it_is():
    model = tl.Sequential(*(tl.Linear(2, 2, seed=i) for i in range(4)))
    assert [title.partition(":")[0] for title in titles(draw(model).diagram)] == ["0", "1", "2", "3"]


def test_a_layer_that_is_called_again_and_again_is_folded():
    class Unrolled(tl.Layer):
        def __init__(self):
            self.cell = tl.Linear(3, 3, seed=0)

        def __call__(self, x):
            for _ in range(30):
                x = tl.tanh(self.cell(x))
            return x

    class Twice(Unrolled):
        def __call__(self, x):
            for _ in range(30):
                x = self.cell(x)
            return x

    assert len(draw(Unrolled(), np.ones((1, 3))).diagram.boxes) > 60  # a tanh stands between: together is no one box
    shown = draw(Twice(), np.ones((1, 3))).diagram
    assert len(shown.boxes) < 8 and [box.operation for box in shown.boxes][-1] == "29 more Linear"


def test_every_node_is_in_one_box_and_arrows_lead_down():
    full = diagram(bert(6))
    few = smaller(full)
    assert {*few.box_of} == {box.id for box in full.boxes}
    assert {*few.box_of.values()} == {box.id for box in few.diagram.boxes}
    places = {box.id: i for i, box in enumerate(few.diagram.boxes)}
    assert all(places[arrow.start] < places[arrow.end] for arrow in few.diagram.arrows)


def test_a_large_network_is_stepped_through_by_its_blocks():
    model = bert(4)
    steps = step_through(model, np.array([[1, 2, 3]]), seed=np.ones((1, 3, 8)))
    assert len(steps.timeline.pictures[0].boxes) <= 40
    assert any(e.label.endswith("3 more Block") for e in steps) and "gradient is complete" in steps.events[-1].note


def test_a_depth_below_nothing_is_refused():
    with pytest.raises(ValueError, match="depth"):
        draw(bert(1), depth=-1)
