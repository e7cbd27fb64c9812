"""Plots of layers and training: what stands on the axes, compared with numbers. No pixel is looked at."""

import builtins
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, CompileError, DtypeError, GradientError, RenderError, ShapeError

pytest.importorskip("matplotlib")

from tinygrad_lora.view import plots
from tinygrad_lora.view.plots.drawing import log_ticks
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


def images(figure):
    return {axes.get_title(loc="left"): axes.images[0] for axes in figure.axes if axes.images}


def words(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.fixture(autouse=True)
def without_layout(request, monkeypatch):
    """Finding a place for everything takes longest, and numbers are read without: only drawing every plot settles."""
    if "name" not in request.fixturenames:
        monkeypatch.setattr("tinygrad_lora.view.plots.figure.Plot.settle", lambda plot: None)


EVERY_PLOT = {
    "heatmaps": lambda: plots.heatmaps(adapter()),
    "singular_values": lambda: plots.singular_values(adapter()),
    "loss_curves": lambda: plots.loss_curves({"a": [[3.0, 2.0, 1.0], [3.5, 2.5, 0.5]], "b": [2.0, 1.0]}, log=True),
    "activation_histograms": lambda: plots.activation_histograms(network(), np.eye(4)),
    "gradient_norms": lambda: plots.gradient_norms(trained_backward(network())),
    "decision_boundary": lambda: plots.decision_boundary(lambda x: x, np.eye(2), [0, 1], steps=20),
    "confusion_matrix": lambda: plots.confusion_matrix([0, 1, 1], [0, 1, 0]),
    "memory": lambda: plots.memory(compiled_step()),
}


# --- Every plot ---


def test_every_plot_is_tried_here():
    assert sorted(EVERY_PLOT) == sorted(plots.__all__)


@pytest.mark.parametrize("name", EVERY_PLOT)
def test_a_plot_says_what_is_seen_in_its_title_and_in_words(name):
    from matplotlib.figure import Figure

    figure = EVERY_PLOT[name]()
    assert isinstance(figure, Figure)
    assert len(figure.get_suptitle()) > 10
    assert figure.alternative.endswith(".") and len(figure.alternative) > 40
    assert getattr(plots, name).__doc__


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_PLOT)
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_plot_gives_the_same_bytes_whatever_the_settings_of_the_reader(name, kind):
    import matplotlib

    files = []
    for settings in ({}, {"font.size": 20, "axes.facecolor": "black", "svg.hashsalt": "other", "axes.grid": True}):
        with matplotlib.rc_context(settings):
            file = io.BytesIO()
            EVERY_PLOT[name]().savefig(file, format=kind)
            files.append(file.getvalue())
    assert files[0] == files[1]


def test_the_words_travel_in_the_file(tmp_path):
    figure = EVERY_PLOT["confusion_matrix"]()
    for name in ("a.png", "a.svg"):
        figure.savefig(tmp_path / name)
        assert b"2 of 3 samples are right" in (tmp_path / name).read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()


def test_a_notebook_gets_an_image_with_its_words_as_text_alternative():
    bundle = plots.confusion_matrix([0], [0], names=["<i>"])._repr_mimebundle_()
    assert bundle["text/html"].startswith('<img alt="Confusion matrix. 1 of 1 samples are right (100.0%).')
    assert 'src="data:image/png;base64,' in bundle["text/html"]
    assert bundle["text/plain"] in bundle["text/html"]
    assert list(plots.confusion_matrix([0], [0])._repr_mimebundle_(include={"text/plain"})) == ["text/plain"]


def test_names_are_text_whatever_they_hold():
    figures = [
        plots.loss_curves({NASTY: [1.0, 2.0], "_hidden": [1.0, 2.0]}),
        plots.confusion_matrix([0], [0], names=[NASTY]),
    ]
    for figure in figures:
        figure.savefig(io.BytesIO(), format="svg")
        assert "<b>" not in figure._repr_mimebundle_()["text/html"]
    assert "$x_1$" in figures[0].alternative
    labels = [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()]
    assert [label.partition(":")[0] for label in labels] == ["<b>&\"'\\ $x_1$ _^{} 🙂   %", "_hidden"]


@pytest.mark.slow
def test_no_plot_touches_pyplot_and_matplotlib_is_loaded_by_the_first_one():
    code = (
        "import sys; from tinygrad_lora.view import plots; assert 'matplotlib' not in sys.modules; "
        "plots.confusion_matrix([0, 1], [0, 1]); assert 'matplotlib' in sys.modules; "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    importing = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "tinygrad_lora.view.plots.figure", raising=False)
    with pytest.raises(RenderError, match=r'pip install "tinygrad-lora\[notebook\]"'):
        plots.confusion_matrix([0], [0])


# --- Adapters ---


@pytest.mark.parametrize("of", [lambda a: a, lambda a: a.lora, lambda a: tl.Sequential(a, tl.relu)])
def test_heat_maps_show_a_b_and_their_scaled_product(of):
    layer = adapter()
    shown = images(plots.heatmaps(of(layer)))
    A, B = layer.lora.get_matrix_a(), layer.lora.get_matrix_b()
    np.testing.assert_array_equal(shown["A (6, 2)"].get_array(), A)
    np.testing.assert_array_equal(shown["B (2, 5)"].get_array(), B)
    np.testing.assert_allclose(shown["ΔW (6, 5)"].get_array(), layer.lora.merge_weights(), rtol=1e-15)


def test_zero_is_in_the_middle_of_every_scale_and_like_sizes_share_one():
    layer = adapter()
    limits = {image.get_clim() for image in images(plots.heatmaps(layer)).values()}
    largest = max(np.abs(M).max() for M in (layer.lora.get_matrix_a(), layer.lora.get_matrix_b(),
                                            layer.lora.merge_weights()))  # fmt: skip
    assert limits == {(-largest, largest)}
    layer.lora.lora_B.value = layer.lora.lora_B.value / 1000
    shown = images(plots.heatmaps(layer))
    assert len({image.get_clim() for image in shown.values()}) == 3
    for image in shown.values():
        low, high = image.get_clim()
        assert -low == high == np.abs(image.get_array()).max()


def test_a_new_adapter_changes_nothing_and_the_plots_say_so():
    layer = tl.LoRALayer(6, 5, 2, seed=0)
    assert [title for title in images(plots.heatmaps(layer)) if title.endswith("all 0")] == [
        "B (2, 5), all 0",
        "ΔW (6, 5), all 0",
    ]
    figure = plots.singular_values(layer)
    assert figure.get_suptitle() == "ΔW = s A B is zero: nothing is changed yet"
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0, 0]


def test_singular_values_are_those_of_the_change():
    layer = adapter(rank=3)
    expected = np.linalg.svd(layer.lora.merge_weights(), compute_uv=False)
    left, right = plots.singular_values(layer).axes
    np.testing.assert_allclose([bar.get_height() for bar in left.patches], expected[:3], rtol=1e-12)
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.cumsum(expected**2)[:3] / (expected**2).sum(), rtol=1e-12)


def test_the_effective_rank_of_equal_singular_values_is_their_number():
    assert "effective rank 4 of 4; the first 4 hold at least 90%" in plots.singular_values(np.eye(4)).get_suptitle()
    one = plots.singular_values(np.ones((4, 7)) * 1e-200)  # squares would vanish
    assert "the first 1 hold at least 90%" in one.get_suptitle()


def test_of_many_singular_values_the_first_are_drawn_and_the_sentence_is_about_all():
    figure = plots.singular_values(np.eye(100))
    assert len(figure.axes[0].patches) == 64
    assert "64 of 100" in figure.axes[0].get_title(loc="left")
    assert "effective rank 100 of 100" in figure.get_suptitle()


def test_an_adapter_with_an_activation_has_a_product_to_show():
    layer = tl.LoRALayer(4, 3, 2, activation=tl.relu, seed=0)
    layer.lora_B.value = np.ones((2, 3))
    shown = images(plots.heatmaps(layer))["ΔW (4, 3)"].get_array()
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
    axes = plots.loss_curves(runs).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [5, 2, 2])
    band = axes.collections[0].get_paths()[0].vertices
    for step, low, high in ((1, 5 - 2**0.5, 5 + 2**0.5), (2, 2, 2), (3, 2 - 2**0.5, 2 + 2**0.5)):
        found = band[band[:, 0] == step][:, 1]
        assert (found.min(), found.max()) == pytest.approx((low, high))


def test_on_a_log_scale_the_mean_is_geometric_and_the_band_stays_positive():
    axes = plots.loss_curves([[1.0, 100.0], [100.0, 1.0]], log=True).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, 10])
    assert axes.get_yscale() == "log"
    assert axes.collections[0].get_paths()[0].vertices[:, 1].min() > 0
    with pytest.raises(ValueError, match="a log scale shows positive losses only"):
        plots.loss_curves([1.0, 0.0], log=True)


def test_each_name_has_its_line_and_one_run_has_no_band():
    figure = plots.loss_curves({"LoRA": [[3.0, 1.0], [3.0, 2.0]], "full": [2.0]})
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "LoRA (2 seeds): 1.5 at the end",
        "full (1 step): 2 at the end",
    ]
    assert len(axes.collections) == 1
    assert axes.lines[0].get_linestyle() != axes.lines[1].get_linestyle()


def test_smoothing_is_done_run_by_run_and_said():
    losses = np.random.default_rng(0).random((3, 20))
    axes = plots.loss_curves(losses, smooth=5).axes[0]
    expected = np.mean([running_mean(run, 5) for run in losses], axis=0)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert "mean of the 5 steps around each" in axes.get_xlabel()


def test_the_running_mean_takes_as_many_as_there_are():
    values = np.array([0.0, 3.0, 6.0, 9.0])
    np.testing.assert_allclose(running_mean(values, 3), [1.5, 3, 6, 7.5])
    np.testing.assert_allclose(running_mean(values, 1), values)
    np.testing.assert_allclose(running_mean(values, 100), [4.5] * 4)


@pytest.mark.parametrize(
    ("history", "error", "told"),
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
def test_a_history_that_cannot_be_shown_is_refused_with_a_remedy(history, error, told):
    with pytest.raises(error, match=told):
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
    assert plots.loss_curves([0.62, 0.6, 0.58], log=True).axes[0].get_yticks().tolist() == [
        0.54,
        0.56,
        0.58,
        0.6,
        0.62,
        0.64,
        0.66,
        0.68,
    ]
    assert 3 <= len(log_ticks(1e-30, 1e30)) <= 8


# --- Layers ---


def test_histograms_show_what_leaves_each_layer_and_what_the_activation_makes_of_it():
    model, x = network(), np.random.default_rng(0).normal(size=(50, 4))
    figure = plots.activation_histograms(model, x)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["the input", "0: Linear", "into 2: Linear", "2: Linear"]
    hidden = model[0].forward(x)
    relu = np.maximum(hidden, 0)
    shown = {"the input": x, "0: Linear": hidden, "into 2: Linear": relu, "2: Linear": model.forward(x)}
    everything = np.concatenate([values.ravel() for values in shown.values()])
    for name, values in shown.items():
        heights, edges, _ = panels[name].patches[0].get_data()
        # The panels share a scale, so a bar is as wide in each of them.
        expected, where = np.histogram(values[values != 0], 40, (everything.min(), everything.max()))
        np.testing.assert_allclose(heights, expected / values.size)
        np.testing.assert_allclose(edges, where)
    assert f"{(relu == 0).mean():.0%} zeros" in words(figure)


def test_units_that_are_zero_for_every_sample_are_counted():
    model = network()
    model[0].bias.value = np.where(np.arange(8) < 3, -100.0, 1.0)
    figure = plots.activation_histograms(model, np.random.default_rng(0).normal(size=(20, 4)))
    assert "3 of 8 units always 0" in words(figure)
    assert "3 of 8 units always 0" in figure.alternative


def test_like_ranges_share_a_scale_and_others_do_not():
    model, x = network(), np.random.default_rng(0).normal(size=(50, 4))
    same = plots.activation_histograms(model, x)
    assert len({axes.get_xlim() for axes in same.axes}) == 1
    assert "one scale for all" in same.get_supxlabel()
    model[2].weight.value = model[2].weight.value * 1000
    other = plots.activation_histograms(model, x)
    assert len({axes.get_xlim() for axes in other.axes}) > 1
    assert "each on its own scale" in other.get_supxlabel()


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
    axes = plots.gradient_norms(model).axes[0]
    expected = [np.linalg.norm(p.gradient) for p in model.parameters()]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), expected)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(model.named_parameters())


def test_at_the_first_step_of_lora_the_gradient_of_a_is_exactly_zero():
    model = network()
    tl.adapt(model, 2, seed=0)
    figure = plots.gradient_norms(trained_backward(model))
    assert figure.get_suptitle() == "Gradients of 4 parameters: 2 exactly zero, 4 more frozen"
    rows = {text.xy[1]: text.get_text() for text in figure.axes[0].texts}
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert {names[row] for row, text in rows.items() if text == "exactly 0"} == {"0.lora.lora_A", "2.lora.lora_A"}


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
    axes = plots.decision_boundary(lambda p: p, [[0.0, 0.0], [1.0, 1.0]], [0, 1], steps=30).axes[0]
    ground = axes.images[0].get_array()
    left, right, low, high = axes.images[0].get_extent()
    across, up = np.meshgrid(np.linspace(left, right, 30), np.linspace(low, high, 30))
    first, second = ground[0, -1], ground[-1, 0]  # the corners at the lower right and the upper left
    expected = np.where((up > across)[..., None], second, first)
    np.testing.assert_array_equal(ground, expected)


def test_rings_are_no_larger_than_the_marks_and_the_legend_names_them_once():
    x, y = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0], [0.0, 3.0]]), [0, 1, 1, 0]
    drawn = plots.decision_boundary(lambda p: p, x, y, steps=10).axes[0].collections
    clouds = [cloud for cloud in drawn if type(cloud).__name__ == "PathCollection"]
    rings = [cloud for cloud in clouds if len(cloud.get_offsets()) and not len(cloud.get_facecolors())]
    marks = [cloud for cloud in clouds if len(cloud.get_offsets()) and len(cloud.get_facecolors())]
    assert len(rings) == 2 and {*map(float, (r.get_sizes()[0] for r in rings))} <= {m.get_sizes()[0] for m in marks}
    assert [ring.get_label() for ring in rings if not ring.get_label().startswith("_")] == ["wrong side (4)"]


def test_the_ticks_of_training_steps_are_whole():
    for steps in (1, 3, 7, 250):
        (axes,) = plots.loss_curves(np.linspace(2.0, 1.0, steps)).axes
        low, high = axes.get_xlim()
        assert all(tick == int(tick) for tick in axes.get_xticks() if low <= tick <= high)


def test_samples_stand_where_they_are_and_those_on_the_wrong_side_have_a_ring():
    x = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0], [0.0, 3.0]])
    figure = plots.decision_boundary(lambda p: p, x, [1, 0, 1, 1], steps=10)
    clouds = {
        cloud.get_label(): cloud.get_offsets() for cloud in figure.axes[0].collections if len(cloud.get_offsets())
    }
    np.testing.assert_array_equal(clouds["class 0 (1)"], x[[1]])
    np.testing.assert_array_equal(clouds["class 1 (3)"], x[[0, 2, 3]])
    np.testing.assert_array_equal(clouds["wrong side (1)"], x[[2]])
    assert figure.get_suptitle() == "3 of 4 samples are on the side of their class"


@pytest.mark.parametrize("shape", [lambda p: p[:, 0] - 0.5, lambda p: p[:, 0:1] - 0.5])
def test_one_logit_is_above_zero_for_class_one(shape):
    figure = plots.decision_boundary(shape, [[0.0, 0.0], [1.0, 0.0]], [0, 1], steps=11)
    assert figure.get_suptitle() == "2 of 2 samples are on the side of their class"
    line = figure.axes[0].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(line[:, 0], 0.5)


def test_a_model_is_a_layer_or_a_compiled_function_or_a_function_of_a_node():
    model = tl.Linear(2, 3, seed=0, dtype=np.float32)
    x, y = np.random.default_rng(0).normal(size=(10, 2)), np.arange(10) % 3
    grounds = [
        plots.decision_boundary(f, x, y, steps=9).axes[0].images[0].get_array()
        for f in (model, tl.compile(model), lambda node: model(node))
    ]
    np.testing.assert_array_equal(grounds[0], grounds[1])
    np.testing.assert_array_equal(grounds[0], grounds[2])


@pytest.mark.parametrize(
    ("model", "x", "y", "error", "told"),
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
def test_what_is_not_in_the_plane_is_refused(model, x, y, error, told):
    with pytest.raises(error, match=told):
        plots.decision_boundary(model, x, y, steps=5)


def test_points_that_all_lie_in_one_place_are_shown():
    figure = plots.decision_boundary(lambda p: p, [[1.0, 1.0]], [0], steps=5)
    assert figure.axes[0].images[0].get_extent() == pytest.approx([0.88, 1.12, 0.88, 1.12])


def test_a_confusion_matrix_counts_samples_by_true_and_predicted_class():
    figure = plots.confusion_matrix([0, 1, 1, 2, 2, 2], [0, 1, 0, 2, 2, 1])
    shares = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]])
    cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in figure.axes[0].texts}
    assert cells == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (1, 2): "1", (2, 2): "2"}
    assert figure.get_suptitle() == "4 of 6 samples are right (66.7%)"
    assert plots.confusion_matrix([1, 1, 0], [0, 0, 1]).alternative.endswith(
        "0 read as 1: 2 times; 1 read as 0: 1 time."
    )


def test_logits_are_predictions_too_and_a_class_that_never_occurs_has_its_row():
    logits = np.eye(4)[[0, 1, 1]]
    shares = plots.confusion_matrix(logits, [0, 1, 0]).axes[0].images[0].get_array()
    assert shares.shape == (4, 4)
    np.testing.assert_array_equal(shares, plots.confusion_matrix([0, 1, 1], [0, 1, 0], names="abcd").axes[0].images[0]
                                  .get_array())  # fmt: skip


def test_many_classes_have_no_number_in_every_cell():
    assert len(plots.confusion_matrix(np.arange(30), np.arange(30)).axes[0].texts) == 0


@pytest.mark.parametrize(
    ("predictions", "labels", "names", "error", "told"),
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
def test_predictions_that_do_not_fit_are_refused(predictions, labels, names, error, told):
    with pytest.raises(error, match=told):
        plots.confusion_matrix(predictions, labels, names=names)


# --- The memory of a program ---


def bars(figure):
    """The corners of the bars: left, bottom, right, top."""
    return [path.get_extents().extents for bar in figure.axes[0].collections for path in bar.get_paths()]


def test_bars_are_the_arrays_of_the_plan_and_never_overlap():
    step = compiled_step()
    figure, memory = plots.memory(step), step.memory
    found = bars(figure)
    assert len(found) == len(memory.arrays) > 5
    for array, (left, bottom, right, top) in zip(memory.arrays, found, strict=True):
        assert (left, right) == (array.made, array.end)
        assert 1000 * bottom == pytest.approx(array.start) and 1000 * top == pytest.approx(array.start + array.size)
    for i, (left, bottom, right, top) in enumerate(np.round(found, 6)):
        for other in np.round(found[:i], 6):
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
    assert figure.get_suptitle() == f"Memory of training_step: {memory.size:,} bytes for arrays of {memory.separate:,}"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(memory.steps)


def test_a_result_over_its_operand_goes_on_in_its_color():
    def f(x, w):
        return tl.tanh(x @ w) @ w + 1.0

    figure = plots.memory(tl.compile(f).prepare(np.ones((8, 8)), np.ones((8, 8))))
    colors = [tuple(bar.get_facecolor()[0]) for bar in figure.axes[0].collections]
    assert len(colors) == 3 and colors[0] == colors[1] != colors[2]


def test_a_program_without_arrays_or_of_many_steps_has_a_plot():
    assert not bars(plots.memory(tl.compile(lambda x: x @ x).prepare(np.ones((2, 2)))))

    def long(x):
        for _ in range(80):
            x = tl.tanh(x @ x)
        return x

    figure = plots.memory(tl.compile(long).prepare(np.ones((2, 2))))
    assert figure.axes[0].get_xlabel() == "step" and not figure.axes[0].texts
    assert "and 147 more" in figure.alternative


def test_the_memory_of_what_has_none_is_refused():
    with pytest.raises(TypeError, match=r"a compiled function, tl\.compile"):
        plots.memory(lambda x: x)
    with pytest.raises(CompileError, match="no planned memory: compile with buffers=True"):
        plots.memory(tl.compile(lambda x: x, buffers=False).prepare(np.ones(2)))
    with pytest.raises(CompileError, match="call it, or prepare it"):
        plots.memory(tl.compile(lambda x: x))
