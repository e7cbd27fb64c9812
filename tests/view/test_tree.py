"""The tree of a model: every layer and parameter once, with counts that add up and states in words."""

import re

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ClosedError
from tinygrad_lora.view.diagram.tree import parameter_tree

NASTY = "<b>&\"'\\ $ 🙂 \n"


def adapted():
    model = tl.Sequential(tl.Linear(4, 3, seed=0), tl.relu, tl.Linear(3, 2, seed=1))
    return tl.adapt(model, 1, target_modules=["0"], seed=0)


class Tied(tl.Layer):
    """Two layers that have one weight."""

    def __init__(self):
        self.a, self.b = tl.Linear(2, 2, seed=0), tl.Linear(2, 2, seed=1)
        self.b.weight = self.a.weight

    def __call__(self, x):
        return self.b(self.a(x))


def states(model):
    return {row.name: row.state for row in parameter_tree(model).rows}


TREE = """\
name          kind        shape   parameters  state
model         Sequential                  30  7 trainable
  0           LoRALinear                  22  7 trainable
    base      Linear                      15  frozen
      weight  parameter   (4, 3)          12  frozen
      bias    parameter   (3,)             3  frozen
    lora      LoRALayer                    7  trainable
      lora_A  parameter   (4, 1)           4  trainable
      lora_B  parameter   (1, 3)           3  trainable
  2           Linear                       8  frozen
    weight    parameter   (3, 2)           6  frozen
    bias      parameter   (2,)             2  frozen
30 parameters, 7 trainable (23.3%), 240 bytes of float64"""


def test_the_tree_as_text():
    assert str(parameter_tree(adapted())) == repr(parameter_tree(adapted())) == TREE


def test_the_counts_of_the_parameters_add_up_to_the_total():
    for model in (adapted(), Tied()):
        rows = parameter_tree(model).rows
        whole = sum(row.count or 0 for row in rows if row.kind == "parameter")
        assert whole == rows[0].count == sum(p.size for p in model.named_parameters().values())


def test_a_parameter_in_two_places_is_counted_where_it_comes_first():
    rows = [row for row in parameter_tree(Tied()).rows if row.name == "weight"]
    assert [(row.count, row.state) for row in rows] == [(4, "trainable"), (None, "the same as a.weight")]


def test_a_merged_or_disabled_adapter_says_so_and_its_base_does_not():
    model = adapted()
    model[0].merge()
    assert states(model)["lora_A"] == states(model)["lora_B"] == states(model)["lora"] == "trainable, merged"
    assert states(model)["0"] == "7 trainable, merged"
    assert states(model)["base"] == "frozen"
    with tl.disabled(model):
        assert states(model)["lora_A"] == "trainable, disabled"
    model[0].unmerge()
    assert states(model)["lora_A"] == "trainable"


def test_merging_changes_no_count():
    model = adapted()
    before = [row.count for row in parameter_tree(model).rows]
    model[0].merge()
    assert [row.count for row in parameter_tree(model).rows] == before


def test_a_frozen_model_and_a_layer_without_parameters():
    assert parameter_tree(adapted().freeze()).total == "30 parameters, frozen, 240 bytes of float64"
    assert str(parameter_tree(tl.Sequential(tl.relu))).splitlines()[-1] == "no parameters"


def test_every_dtype_is_named():
    model = tl.Sequential(tl.Linear(2, 2, seed=0, dtype=np.float32), tl.Linear(2, 2, seed=0))
    assert parameter_tree(model).total.endswith("72 bytes of float32 and float64")


def test_the_table_of_a_notebook_has_the_rows_of_the_text():
    tree = parameter_tree(adapted())
    table = tree._repr_html_()
    cells = re.findall(r'<th[^>]*scope="row"[^>]*>\s*([^<]*)</th>', table)
    assert [cell.strip() for cell in cells] == [row.name for row in tree.rows]
    assert table.count("<tr>") == len(tree.rows) + 1
    assert f">{tree.total}</caption>" in table
    assert "<style" not in table and "<script" not in table


def test_names_are_text_whatever_they_hold():
    model = tl.Sequential()
    setattr(model, NASTY, tl.parameter(np.ones(2)))
    tree = parameter_tree(model)
    assert "<b>" not in tree._repr_html_()
    assert "&lt;b&gt;&amp;&quot;&#x27;\\ $ 🙂" in tree._repr_html_()
    assert len(str(tree).splitlines()) == 4


def test_only_an_open_layer_has_a_tree():
    with pytest.raises(TypeError, match="shows a layer, not ndarray"):
        parameter_tree(np.ones(2))
    layer = tl.Linear(2, 2, seed=0)
    layer.close()
    with pytest.raises(ClosedError):
        parameter_tree(layer)
