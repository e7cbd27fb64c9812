"""Every file is read right, or refused in a sentence that names it: spoilt files, the same in every run."""

import dataclasses
import os

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")
if os.name == "nt":
    pytest.skip("what is spoilt are files of other systems", allow_module_level=True)

from fuzz.files.kinds import KINDS
from fuzz.files.trial import judged, originals, trial

from tinygrad_lora.errors import FormatError

SEED, EACH = 20_261_130, 16


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_a_good_file_is_read_as_a_plain_reader_has_it(kind, tmp_path):
    for name, data in originals(kind).items():
        (tmp_path / name).write_bytes(data)
    assert judged(KINDS[kind], tmp_path) == (None, "right")


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_a_spoilt_file_is_read_right_or_refused_in_a_sentence_that_names_it(kind):
    wrong = [message for i in range(EACH) if (message := trial(SEED, kind + i * len(KINDS))[1])]
    assert not wrong, "\n".join(wrong)


INTO_A_MODEL = next(i for i, kind in enumerate(KINDS) if kind.name == "safetensors into a model")


def other_numbers(folder, layer):
    return KINDS[INTO_A_MODEL].read(folder, layer) | {"0.bias": np.zeros(3) + 0.5}


def no_refusal(folder, layer):
    raise KeyError(str(folder / "x.safetensors"))


def no_name(folder, layer):
    raise FormatError("the file is damaged")


def no_sentence(folder, layer):
    raise FormatError(f"{folder / 'x.safetensors'}:\nit is damaged")


def half_changed(folder, layer):
    layer[0].bias.value = np.ones(3)
    raise FormatError(f"{folder / 'x.safetensors'}: it is damaged")


def a_file_left(folder, layer):
    (folder / "left").write_bytes(b"")
    return KINDS[INTO_A_MODEL].read(folder, layer)


def an_accident(folder, layer):
    raise FormatError(f"{folder / 'x.safetensors'}: it is damaged") from MemoryError()


PLANTED = {
    other_numbers: "other than a plain reader has it", no_refusal: "KeyError", no_name: "does not say which file",
    no_sentence: "no sentence", half_changed: "something changed", a_file_left: "the files are others",
    an_accident: "by accident",
}  # fmt: skip


@pytest.mark.parametrize("reader", PLANTED)
def test_what_a_reader_does_wrong_is_seen(reader, tmp_path):
    for name, data in originals(INTO_A_MODEL).items():
        (tmp_path / name).write_bytes(data)
    message, _ = judged(dataclasses.replace(KINDS[INTO_A_MODEL], read=reader), tmp_path)
    assert message is not None and PLANTED[reader] in message
