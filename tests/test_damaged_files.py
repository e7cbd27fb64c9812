"""Every file is read right, or refused in a sentence that names it: spoilt files, the same in every run."""

import os

import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")
if os.name == "nt":
    pytest.skip("what is spoilt are files of other systems", allow_module_level=True)

from fuzz.files.kinds import KINDS
from fuzz.files.trial import judged, originals, trial

SEED, EACH = 20_261_130, 16


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_a_good_file_is_read_as_a_plain_reader_has_it(kind, tmp_path):
    for name, data in originals(kind).items():
        (tmp_path / name).write_bytes(data)
    assert judged(KINDS[kind], tmp_path) == (None, "right")


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_a_spoilt_file_is_read_right_or_refused_in_a_sentence_that_names_it(kind):
    wrong = [told for i in range(EACH) if (told := trial(SEED, kind + i * len(KINDS))[1])]
    assert not wrong, "\n".join(wrong)
