"""The time limit of an answer: where an alarm must not raise, since Python would only print what it raises."""

import sys
from weakref import WeakKeyDictionary

from tinygrad_lora.learn.checking.guard import _untimely


def test_nothing_is_raised_while_a_weak_dictionary_forgets_a_key():
    class Key:
        pass

    frames = []

    def look(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "remove":
            frames.append((frame, _untimely(frame)))

    weak, key = WeakKeyDictionary(), Key()
    weak[key] = 1
    assert not _untimely(sys._getframe())
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        del key
    finally:
        sys.setprofile(before)
    assert [untimely for _, untimely in frames] == [True]
