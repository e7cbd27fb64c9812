"""Plots of layers and training: what the charts hold, compared with numbers. No pixel is looked at."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, CompileError, DtypeError, GradientError, ShapeError
from tinygrad_lora.view import plots
from tinygrad_lora.view.chart import Panels, marks as m
from tinygrad_lora.view.chart.layout import panel
from tinygrad_lora.view.chart.scales import log_ticks
from tinygrad_lora.view.plots.training import running_mean

ROOT = Path(__file__).resolve().parents[2]
NASTY = "<b>&\"'\\ $x_1$ _^{} 🙂 \n %"


def adapter(rank=2, alpha=4.0, seed=0):
    layer = tl.LoRALinear(tl.Linear(6, 5, seed=seed), rank, alpha=alpha, seed=seed)
    layer.lora.lora_B.value = np.random.default_rng(seed).normal(size=(rank, 5))
    return layer


def network(seed=0):
    return tl.Sequential(tl.Linear(4, 8, seed=seed), tl.relu, tl.Linear(8, 3, seed=seed + 1))


def trained_backward(model):
    x = np.random.default_rng(0).normal(size=(10, 4))
    tl.cross_entropy(model(tl.constant(x)), np.arange(10) % 3).backward()
    return model


def compiled_step():
    model = network()
    step = tl.compile_training_step(model, tl.cross_entropy, tl.SGD(model.parameters(), lr=0.1))
    return step.prepare(np.ones((10, 4)), np.arange(10) % 3)


def charts(plot):
    return [chart for chart in plot.charts if chart]


def of(chart, kind):
    return [mark for mark in chart.marks if isinstance(mark, kind)]


def images(plot):
    return {chart.title: of(chart, m.Image)[0] for chart in charts(plot)}


def heights(plot):
    (bars,) = of(plot.charts[0], m.Boxes)
    return bars.ys[1]


def words(chart):
    return " ".join(text.words for text in of(chart, m.Text))


EVERY_PLOT = {
    "heatmaps": lambda: plots.heatmaps(adapter()),
    "singular_values": lambda: plots.singular_values(adapter()),
    "loss_curves": lambda: plots.loss_curves({"a": [[3.0, 2.0, 1.0], [3.5, 2.5, 0.5]], "b": [2.0, 1.0]}, log=True),
    "loss_over_rate": lambda: plots.loss_over_rate({"a": {0.1: [2.0, 1.0], 0.2: [np.inf, 1.0]}, "b": {0.1: [3.0]}}),
    "activation_histograms": lambda: plots.activation_histograms(network(), np.eye(4)),
    "gradient_norms": lambda: plots.gradient_norms(trained_backward(network())),
    "decision_boundary": lambda: plots.decision_boundary(lambda x: x, np.eye(2), [0, 1], steps=20),
    "confusion_matrix": lambda: plots.confusion_matrix([0, 1, 1], [0, 1, 0]),
    "memory": lambda: plots.memory(compiled_step()),
    "memory_in_use": lambda: plots.memory_in_use({"a": compiled_step(), "b": compiled_step()}),
}


# --- Every plot ---


def test_every_plot_is_tried_here():
    assert sorted(EVERY_PLOT) == sorted(plots.__all__)


@pytest.mark.parametrize("name", EVERY_PLOT)
def test_a_plot_says_what_is_seen_in_its_title_and_in_words(name):
    plot = EVERY_PLOT[name]()
    assert isinstance(plot, Panels)
    assert len(plot.title) > 10
    assert plot.alternative.endswith(".") and len(plot.alternative) > 40
    assert str(plot).startswith(plot.title)
    assert getattr(plots, name).__doc__


def test_the_same_plots_give_the_same_bytes_in_every_process():
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests/view'); from test_plots import EVERY_PLOT; "
        "print(hashlib.sha256(''.join(plot().svg() for plot in EVERY_PLOT.values()).encode()).hexdigest())"
    )
    outputs = {subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True,
                            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}).stdout for seed in "12"}  # fmt: skip
    assert len(outputs) == 1


def test_a_notebook_gets_an_image_with_its_words_as_text_alternative():
    bundle = plots.confusion_matrix([0], [0], names=["<i>"])._repr_mimebundle_()
    assert bundle["text/html"].startswith('<img alt="Confusion matrix. 1 of 1 samples are right (100.0%).')
    assert 'src="data:image/svg+xml;base64,' in bundle["text/html"]
    assert "Confusion matrix. 1 of 1" in bundle["image/svg+xml"]
    assert list(plots.confusion_matrix([0], [0])._repr_mimebundle_(include={"text/plain"})) == ["text/plain"]


def test_names_are_text_whatever_they_hold():
    losses = plots.loss_curves({NASTY: [1.0, 2.0], "_hidden": [1.0, 2.0]})
    for plot in (losses, plots.confusion_matrix([0], [0], names=[NASTY])):
        assert "<b>" not in "".join(plot._repr_mimebundle_().values()).replace(str(plot), "")
    assert "$x_1$" in losses.alternative
    labels = [line.label.partition(":")[0] for line in of(losses, m.Line)]
    assert labels == ["<b>&\"'\\ $x_1$ _^{} 🙂   %", "_hidden"]


# --- Adapters ---


@pytest.mark.parametrize("within", [lambda a: a, lambda a: a.lora, lambda a: tl.Sequential(a, tl.relu)])
def test_heat_maps_show_a_b_and_their_scaled_product(within):
    layer = adapter()
    shown = images(plots.heatmaps(within(layer)))
    A, B = layer.lora.get_matrix_a(), layer.lora.get_matrix_b()
    np.testing.assert_array_equal(shown["A (6, 2)"].cells, A)
    np.testing.assert_array_equal(shown["B (2, 5)"].cells, B)
    np.testing.assert_allclose(shown["ΔW (6, 5)"].cells, layer.lora.merge_weights(), rtol=1e-15)


def test_zero_is_in_the_middle_of_every_scale_and_like_sizes_share_one():
    layer = adapter()
    largest = max(np.abs(M).max() for M in (layer.lora.get_matrix_a(), layer.lora.get_matrix_b(),
                                            layer.lora.merge_weights()))  # fmt: skip
    shown = images(plots.heatmaps(layer)).values()
    assert {(image.colors, image.limit) for image in shown} == {("signed", largest)}
    assert [image.label.endswith("in all three") for image in shown if image.label] == [True]
    layer.lora.lora_B.value = layer.lora.lora_B.value / 1000
    shown = images(plots.heatmaps(layer)).values()
    assert len({image.limit for image in shown}) == 3
    assert all(image.label and image.limit == np.abs(image.cells).max() for image in shown)


def test_a_new_adapter_changes_nothing_and_the_plots_say_so():
    layer = tl.LoRALayer(6, 5, 2, seed=0)
    assert [title for title in images(plots.heatmaps(layer)) if title.endswith("all 0")] == [
        "B (2, 5), all 0",
        "ΔW (6, 5), all 0",
    ]
    plot = plots.singular_values(layer)
    assert plot.title == "ΔW = s A B is zero: nothing is changed yet"
    assert heights(plot).tolist() == [0, 0]
    assert not of(plot.charts[1], m.Line)


def test_singular_values_are_those_of_the_change():
    layer = adapter(rank=3)
    expected = np.linalg.svd(layer.lora.merge_weights(), compute_uv=False)
    plot = plots.singular_values(layer)
    np.testing.assert_allclose(heights(plot), expected[:3], rtol=1e-12)
    (line,) = of(plot.charts[1], m.Line)
    np.testing.assert_allclose(line.ys[0], np.cumsum(expected**2)[:3] / (expected**2).sum(), rtol=1e-12)


def test_the_effective_rank_of_equal_singular_values_is_their_number():
    assert "effective rank 4 of 4; the first 4 hold at least 90%" in plots.singular_values(np.eye(4)).title
    one = plots.singular_values(np.ones((4, 7)) * 1e-200)  # squares would vanish
    assert "the first 1 hold at least 90%" in one.title


def test_of_many_singular_values_the_first_are_drawn_and_the_sentence_is_about_all():
    plot = plots.singular_values(np.eye(100))
    assert len(heights(plot)) == 64
    assert "64 of 100" in plot.charts[0].title
    assert "effective rank 100 of 100" in plot.title


def test_an_adapter_with_an_activation_has_a_product_to_show():
    layer = tl.LoRALayer(4, 3, 2, activation=tl.relu, seed=0)
    layer.lora_B.value = np.ones((2, 3))
    shown = images(plots.heatmaps(layer))["ΔW (4, 3)"].cells
    np.testing.assert_array_equal(shown, layer.get_matrix_a() @ layer.get_matrix_b())


def test_a_model_must_have_one_adapter():
    model = network()
    with pytest.raises(AdaptError, match="has no adapters"):
        plots.heatmaps(model)
    tl.adapt(model, 2, seed=0)
    with pytest.raises(AdaptError, match=r"has 2 adapters, '0', '2': pass one"):
        plots.heatmaps(model)
    with pytest.raises(TypeError, match="shows an adapter"):
        plots.heatmaps(np.eye(3))


def test_what_is_no_matrix_of_finite_numbers_has_no_singular_values():
    with pytest.raises(ShapeError, match="has shape"):
        plots.singular_values(np.ones(3))
    with pytest.raises(ShapeError, match="has shape"):
        plots.singular_values(np.ones((0, 3)))
    with pytest.raises(ValueError, match=r"1 of 4 numbers that are not finite, the first is nan at \[1, 0\]"):
        plots.singular_values([[1.0, 2.0], [np.nan, 3.0]])
    with pytest.raises(DtypeError, match="must hold real numbers"):
        plots.singular_values([["a"]])
    layer = adapter()
    layer.lora.lora_A.value = np.full((6, 2), np.inf)
    for plot in (plots.heatmaps, plots.singular_values):
        with pytest.raises(ValueError, match=r"A of the adapter holds 12 of 12"):
            plot(layer)


def test_a_product_that_overflows_is_refused():
    layer = adapter()
    layer.lora.lora_A.value, layer.lora.lora_B.value = np.full((6, 2), 1e200), np.full((2, 5), 1e200)
    with pytest.raises(ValueError, match="the product s A B"):
        plots.heatmaps(layer)


# --- Training ---


def test_the_loss_is_the_mean_over_seeds_in_a_band_of_one_standard_deviation():
    runs = np.array([[4.0, 2.0, 1.0], [6.0, 2.0, 3.0]])
    chart = plots.loss_curves(runs)
    (line,), (band,) = of(chart, m.Line), of(chart, m.Band)
    np.testing.assert_array_equal([line.xs[0], line.ys[0]], [[1, 2, 3], [5, 2, 2]])
    np.testing.assert_allclose(band.ys, [[5 - 2**0.5, 2, 2 - 2**0.5], [5 + 2**0.5, 2, 2 + 2**0.5]])
    assert band.series == line.series


def test_on_a_log_scale_the_mean_is_geometric_and_the_band_stays_positive():
    chart = plots.loss_curves([[1.0, 100.0], [100.0, 1.0]], log=True)
    np.testing.assert_allclose(of(chart, m.Line)[0].ys[0], [10, 10])
    assert chart.axes["y"].log
    assert np.min(of(chart, m.Band)[0].ys) > 0
    with pytest.raises(ValueError, match="a log scale shows positive losses only"):
        plots.loss_curves([1.0, 0.0], log=True)


def test_each_name_has_its_line_and_one_run_has_no_band():
    chart = plots.loss_curves({"LoRA": [[3.0, 1.0], [3.0, 2.0]], "full": [2.0]})
    lines = of(chart, m.Line)
    assert [line.label for line in lines] == ["LoRA (2 seeds): 1.5 at the end", "full (1 step): 2 at the end"]
    assert len(of(chart, m.Band)) == 1
    assert lines[0].series != lines[1].series


def test_smoothing_is_done_run_by_run_and_said():
    losses = np.random.default_rng(0).random((3, 20))
    chart = plots.loss_curves(losses, smooth=5)
    expected = np.mean([running_mean(run, 5) for run in losses], axis=0)
    np.testing.assert_allclose(of(chart, m.Line)[0].ys[0], expected)
    assert "mean of the 5 steps around each" in chart.axes["x"].label


def test_the_running_mean_takes_as_many_as_there_are():
    values = np.array([0.0, 3.0, 6.0, 9.0])
    np.testing.assert_allclose(running_mean(values, 3), [1.5, 3, 6, 7.5])
    np.testing.assert_allclose(running_mean(values, 1), values)
    np.testing.assert_allclose(running_mean(values, 100), [4.5] * 4)


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ([], ValueError, "is empty"),
        ({}, ValueError, "there is no history"),
        ({"a": []}, ValueError, "'a' is empty"),
        ([1.0, float("nan")], ValueError, r"nan at \[1\]: the training diverged"),
        ([[1.0, 2.0], [1.0]], ShapeError, "seeds of 1 and of 2 steps"),
        ([[1.0], 2.0], ShapeError, "rows of unequal length"),
        (np.ones((2, 2, 2)), ShapeError, "not an array of shape"),
        (3.0, TypeError, "not float"),
        ("loss", TypeError, "not str"),
        ({str(i): [1.0] for i in range(9)}, ValueError, "9 lines cannot be told apart"),
    ],
)
def test_a_history_that_cannot_be_shown_is_refused_with_a_remedy(history, error, message):
    with pytest.raises(error, match=message):
        plots.loss_curves(history)


def test_smoothing_takes_a_positive_whole_number_of_steps():
    for smooth, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="smooth must be"):
            plots.loss_curves([1.0], smooth=smooth)


def test_a_log_scale_has_between_three_and_eight_plain_numbers_at_its_ticks():
    assert log_ticks(0.5, 200) == [1, 10, 100]
    assert log_ticks(0.9, 12) == [1, 2, 5, 10]
    assert log_ticks(1.1, 1.6) == [1.2, 1.4, 1.6]
    assert log_ticks(1.05, 1.27) == [1.1, 1.2]
    ticks = panel(plots.loss_curves([0.62, 0.6, 0.58], log=True)).y.ticks
    assert ticks == [(0.58, "0.58"), (0.6, "0.6"), (0.62, "0.62")]
    assert 3 <= len(log_ticks(1e-30, 1e30)) <= 8


# --- Layers ---


def test_histograms_show_what_leaves_each_layer_and_what_the_activation_makes_of_it():
    model, x = network(), np.random.default_rng(0).normal(size=(50, 4))
    plot = plots.activation_histograms(model, x)
    panels = {chart.title: of(chart, m.Boxes)[0] for chart in plot.charts}
    assert list(panels) == ["the input", "0: Linear", "into 2: Linear", "2: Linear"]
    hidden = model[0].forward(x)
    relu = np.maximum(hidden, 0)
    shown = {"the input": x, "0: Linear": hidden, "into 2: Linear": relu, "2: Linear": model.forward(x)}
    everything = np.concatenate([values.ravel() for values in shown.values()])
    for name, values in shown.items():
        (left, right), heights = panels[name].xs, panels[name].ys[1]
        # The panels share a scale, so a bar is as wide in each of them.
        expected, where = np.histogram(values[values != 0], 40, (everything.min(), everything.max()))
        np.testing.assert_allclose(heights, expected / values.size)
        np.testing.assert_allclose([*left, right[-1]], where)
    assert f"{(relu == 0).mean():.0%} zeros" in plot.charts[2].axes["y"].label


def test_units_that_are_zero_for_every_sample_are_counted():
    model = network()
    model[0].bias.value = np.where(np.arange(8) < 3, -100.0, 1.0)
    plot = plots.activation_histograms(model, np.random.default_rng(0).normal(size=(20, 4)))
    assert "3 of 8 units always 0" in plot.charts[2].axes["y"].label
    assert "3 of 8 units always 0" in plot.alternative


def test_like_ranges_share_a_scale_and_others_do_not():
    model, x = network(), np.random.default_rng(0).normal(size=(50, 4))
    same = plots.activation_histograms(model, x)
    assert len({panel(chart).x.low for chart in same.charts}) == 1
    assert "one scale for all" in same.note
    model[2].weight.value = model[2].weight.value * 1000
    other = plots.activation_histograms(model, x)
    assert len({panel(chart).x.low for chart in other.charts}) > 1
    assert "each on its own scale" in other.note


def test_a_plot_leaves_the_model_as_it_was():
    model, x = network(), np.random.default_rng(0).normal(size=(5, 4))
    y = model.forward(x)
    model.backward(np.ones_like(y))
    before = model.get_parameter_gradients()
    plots.activation_histograms(model, np.ones((2, 4)))
    plots.gradient_norms(model)
    np.testing.assert_array_equal(model.get_parameter_gradients(), before)
    model.backward(np.ones_like(y))  # of the forward before, not of the plot's
    np.testing.assert_array_equal(model.get_parameter_gradients(), before)


def test_activations_need_a_layer_and_an_input_that_fits():
    with pytest.raises(TypeError, match="of a layer"):
        plots.activation_histograms(tl.relu, np.ones(3))
    with pytest.raises(ShapeError, match="Input size 3"):
        plots.activation_histograms(network(), np.ones((2, 3)))
    with pytest.raises(ValueError, match="no sample"):
        plots.activation_histograms(network(), np.ones((0, 4)))
    with pytest.raises(ValueError, match="x holds 1 of 8"):
        plots.activation_histograms(network(), [[1.0, 2, 3, np.nan], [1, 2, 3, 4]])
    model = network()
    model[0].weight.value = np.full((4, 8), np.inf)
    with pytest.raises(ValueError, match="the array at '0: Linear'"):
        plots.activation_histograms(model, np.ones((2, 4)))


def test_gradient_norms_are_those_of_the_parameters():
    model = trained_backward(network())
    chart = plots.gradient_norms(model)
    expected = [np.linalg.norm(p.gradient) for p in model.parameters()]
    np.testing.assert_allclose(of(chart, m.Points)[0].xs[0], expected)
    assert list(chart.axes["y"].ticks.values()) == list(model.named_parameters())


def test_at_the_first_step_of_lora_the_gradient_of_a_is_exactly_zero():
    model = network()
    tl.adapt(model, 2, seed=0)
    chart = plots.gradient_norms(trained_backward(model))
    assert chart.title == "Gradients of 4 parameters: 2 exactly zero, 4 more frozen"
    names = chart.axes["y"].ticks
    zeros = {names[text.ys[0][0]] for text in of(chart, m.Text) if text.words == "exactly 0"}
    assert zeros == {"0.lora.lora_A", "2.lora.lora_A"}


def test_all_gradients_may_be_zero():
    model = tl.Linear(2, 2, seed=0)
    model.forward(np.ones((1, 2)))
    model.backward(np.zeros((1, 2)))
    assert words(plots.gradient_norms(model)) == "exactly 0 exactly 0"


def test_without_gradients_the_error_says_what_to_call():
    with pytest.raises(GradientError, match=r"call backward\(\) first"):
        plots.gradient_norms(network())
    with pytest.raises(GradientError, match="frozen"):
        plots.gradient_norms(network().freeze())
    with pytest.raises(TypeError, match="of a layer's parameters"):
        plots.gradient_norms([1.0])
    model = network()
    model[0].bias.gradient = np.full(8, np.nan)
    with pytest.raises(ValueError, match=r"the gradient of 0\.bias"):
        plots.gradient_norms(model)


# --- Classifiers ---


def test_the_ground_has_the_color_of_the_class_that_wins_there():
    chart = plots.decision_boundary(lambda p: p, [[0.0, 0.0], [1.0, 1.0]], [0, 1], steps=30)
    (ground,) = of(chart, m.Image)
    (left, right), (top, bottom) = ground.xs[0], ground.ys[0]
    across, up = np.meshgrid(np.linspace(left, right, 30), np.linspace(bottom, top, 30)[::-1])
    assert ground.colors == "class"
    np.testing.assert_array_equal(ground.cells, up > across)


def test_rings_are_no_larger_than_the_marks_and_the_legend_names_them_once():
    x, y = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0], [0.0, 3.0]]), [0, 1, 1, 0]
    chart = plots.decision_boundary(lambda p: p, x, y, steps=10)
    rings = [points for points in of(chart, m.Points) if points.ring]
    assert [(ring.series, ring.label) for ring in rings] == [(0, "wrong side (4)"), (1, "")]
    svg = chart.svg()
    for form in ('class="ring"', 'class="points s0"'):  # both draw the same circle
        assert re.search(form + r' d="[^"]*a3\.4 3\.4', svg)


def test_the_ticks_of_training_steps_are_whole():
    for steps in (1, 3, 7, 250):
        ticks = panel(plots.loss_curves(np.linspace(2.0, 1.0, steps))).x.ticks
        assert len(ticks) >= 2 and all(text == f"{int(tick)}" for tick, text in ticks)


def test_samples_stand_where_they_are_and_those_on_the_wrong_side_have_a_ring():
    x = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    chart = plots.decision_boundary(lambda p: p, x, [1, 0, 1, 1], steps=10)
    clouds = {points.label: np.stack([points.xs[0], points.ys[0]], axis=1) for points in of(chart, m.Points)}
    np.testing.assert_array_equal(clouds["class 0 (1)"], x[[1]])
    np.testing.assert_array_equal(clouds["class 1 (3)"], x[[0, 2, 3]])
    np.testing.assert_array_equal(clouds["wrong side (1)"], x[[2]])
    assert chart.title == "3 of 4 samples are on the side of their class"


@pytest.mark.parametrize("shape", [lambda p: p[:, 0] - 0.5, lambda p: p[:, 0:1] - 0.5])
def test_one_logit_is_above_zero_for_class_one(shape):
    chart = plots.decision_boundary(shape, [[0.0, 0.0], [1.0, 0.0]], [0, 1], steps=11)
    assert chart.title == "2 of 2 samples are on the side of their class"
    ((line,),) = of(chart, m.Contours)[0].lines
    np.testing.assert_allclose(line[:, 0], 0.5)


def test_a_model_is_a_layer_or_a_compiled_function_or_a_function_of_a_node():
    model = tl.Linear(2, 3, seed=0, dtype=np.float32)
    x, y = np.random.default_rng(0).normal(size=(10, 2)), np.arange(10) % 3
    grounds = [
        of(plots.decision_boundary(f, x, y, steps=9), m.Image)[0].cells
        for f in (model, tl.compile(model), lambda node: model(node))
    ]
    np.testing.assert_array_equal(grounds[0], grounds[1])
    np.testing.assert_array_equal(grounds[0], grounds[2])


@pytest.mark.parametrize(
    ("model", "x", "y", "error", "message"),
    [
        (lambda p: p, np.ones((3, 4)), [0, 0, 0], ShapeError, r"x has shape \(3, 4\): a plane has two axes"),
        (lambda p: p, np.ones((3, 2)), [0, 0], ShapeError, "3 points in x and 2 class numbers"),
        (lambda p: p, np.ones((1, 2)), [0.5], DtypeError, "class numbers"),
        (lambda p: p, np.ones((1, 2)), [-1], ValueError, "from 0 on"),
        (lambda p: p, np.ones((1, 2)), [2], ValueError, "the model knows 2 classes"),
        (lambda p: p, [[np.nan, 0]], [0], ValueError, "x holds 1 of 2"),
        (lambda p: p, np.ones((0, 2)), [], ValueError, "empty"),
        (lambda p: tl.sum(p), np.ones((3, 2)), [0, 0, 0], ShapeError, r"gave shape \(\)"),
        (
            lambda p: tl.concatenate([p] * 5, axis=1),
            np.ones((1, 2)),
            [0],
            ValueError,
            "10 classes cannot be told apart",
        ),
    ],
)
def test_what_is_not_in_the_plane_is_refused(model, x, y, error, message):
    with pytest.raises(error, match=message):
        plots.decision_boundary(model, x, y, steps=5)


def test_points_that_all_lie_in_one_place_are_shown():
    (ground,) = of(plots.decision_boundary(lambda p: p, [[1.0, 1.0]], [0], steps=5), m.Image)
    assert [*ground.xs[0], *ground.ys[0]] == pytest.approx([0.88, 1.12, 1.12, 0.88])


def test_a_confusion_matrix_counts_samples_by_true_and_predicted_class():
    chart = plots.confusion_matrix([0, 1, 1, 2, 2, 2], [0, 1, 0, 2, 2, 1])
    np.testing.assert_allclose(of(chart, m.Image)[0].cells, [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]])
    cells = {(text.ys[0][0], text.xs[0][0]): text.words for text in of(chart, m.Text)}
    assert cells == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (1, 2): "1", (2, 2): "2"}
    assert chart.title == "4 of 6 samples are right (66.7%)"
    assert plots.confusion_matrix([1, 1, 0], [0, 0, 1]).alternative.endswith(
        "0 read as 1: 2 times; 1 read as 0: 1 time."
    )


def test_logits_are_predictions_too_and_a_class_that_never_occurs_has_its_row():
    logits = np.eye(4)[[0, 1, 1]]
    (shares,) = of(plots.confusion_matrix(logits, [0, 1, 0]), m.Image)
    (same,) = of(plots.confusion_matrix([0, 1, 1], [0, 1, 0], names="abcd"), m.Image)
    assert shares.cells.shape == (4, 4)
    np.testing.assert_array_equal(shares.cells, same.cells)


def test_many_classes_have_no_number_in_every_cell():
    assert not words(plots.confusion_matrix(np.arange(30), np.arange(30)))


@pytest.mark.parametrize(
    ("predictions", "labels", "names", "error", "message"),
    [
        ([0, 1], [0], None, ShapeError, "2 predictions and 1 labels"),
        ([], [], None, ValueError, "empty"),
        ([[[0.0]]], [0], None, ShapeError, "shape"),
        ([0.3], [0], None, DtypeError, r"argmax"),
        ([0], [-1], None, ValueError, "from 0 on"),
        ([0, 2], [0, 1], ["a"], ValueError, "1 names for 3 classes"),
        ([[np.inf, 0.0]], [0], None, ValueError, "not finite"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(predictions, labels, names, error, message):
    with pytest.raises(error, match=message):
        plots.confusion_matrix(predictions, labels, names=names)


# --- The memory of a program ---


def bars(chart):
    """The corners of the bars: left, bottom, right, top."""
    return [[box.xs[0][0], box.ys[0][0], box.xs[1][0], box.ys[1][0]] for box in of(chart, m.Boxes)]


def test_bars_are_the_arrays_of_the_plan_and_never_overlap():
    step = compiled_step()
    chart, memory = plots.memory(step), step.memory
    rectangles = bars(chart)
    assert len(rectangles) == len(memory.arrays) > 5
    for array, (left, bottom, right, top) in zip(memory.arrays, rectangles, strict=True):
        assert (left, right) == (array.made, array.end)
        assert 1000 * bottom == pytest.approx(array.start) and 1000 * top == pytest.approx(array.start + array.size)
    for i, (left, bottom, right, top) in enumerate(np.round(rectangles, 6)):
        for other in np.round(rectangles[:i], 6):
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
    assert chart.title == f"Memory of training_step: {memory.size:,} bytes for arrays of {memory.separate:,}"
    assert list(chart.axes["x"].ticks.values()) == list(memory.steps)


def test_a_result_over_its_operand_goes_on_in_its_color():
    def f(x, w):
        return tl.tanh(x @ w) @ w + 1.0

    chart = plots.memory(tl.compile(f).prepare(np.ones((8, 8)), np.ones((8, 8))))
    colors = [box.series for box in of(chart, m.Boxes)]
    assert len(colors) == 3 and colors[0] == colors[1] != colors[2]


def test_a_program_without_arrays_or_of_many_steps_has_a_plot():
    assert not bars(plots.memory(tl.compile(lambda x: x @ x).prepare(np.ones((2, 2)))))

    def long(x):
        for _ in range(80):
            x = tl.tanh(x @ x)
        return x

    chart = plots.memory(tl.compile(long).prepare(np.ones((2, 2))))
    assert chart.axes["x"].label == "step" and not words(chart)
    assert "and 147 more" in chart.alternative


def test_the_bytes_in_use_at_each_step_are_those_that_no_plan_can_do_without():
    step = compiled_step()
    chart, memory = plots.memory_in_use(step), step.memory
    [line] = of(chart, m.Line)
    assert list(line.ys[0]) == pytest.approx([n / 1000 for n in memory.in_use])
    assert len(memory.in_use) == len(memory.steps) and max(memory.in_use) == memory.least
    assert f"at most {memory.least:,} bytes, in step " in chart.title
    assert len(memory.profile(5).splitlines()) <= 5 and f" {memory.least:,} ###" in memory.profile(5)
    two = plots.memory_in_use({"once": step, "twice": step})
    assert [line.label for line in of(two, m.Line)] == [
        f"{name}, at most {memory.least:,}" for name in ("once", "twice")
    ]
    empty = tl.compile(lambda x: x @ x).prepare(np.ones((2, 2)))
    assert "no bytes" in plots.memory_in_use(empty).title and "0" in empty.memory.profile()
    with pytest.raises(TypeError, match=r"a compiled function, tl\.compile"):
        plots.memory_in_use({"f": lambda x: x})


def test_the_memory_of_what_has_none_is_refused():
    with pytest.raises(TypeError, match=r"a compiled function, tl\.compile"):
        plots.memory(lambda x: x)
    with pytest.raises(CompileError, match="no planned memory: compile with buffers=True"):
        plots.memory(tl.compile(lambda x: x, buffers=False).prepare(np.ones(2)))
    with pytest.raises(CompileError, match="call it, or prepare it"):
        plots.memory(tl.compile(lambda x: x))
