"""What a student begins an exercise with, as objects."""

from tinygrad_lora.core.source import function_from_source


def stub_values(exercise):
    """The objects of an exercise, made from the text of its stub."""
    source = f"{exercise.preamble}\n\n{exercise.stub}"
    return {name: function_from_source(name, source) for name in exercise.references}
