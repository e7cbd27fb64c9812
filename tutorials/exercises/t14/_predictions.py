"""What to predict in tutorial 14, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("14-guess", n=(27, 10, 50))
def perplexity_of_no_idea(n):
    """A model has no idea, and gives each of {n} letters the same probability. What is its perplexity, $e$ to the
    power of its loss?"""
    yield float(tl.exp(tl.cross_entropy(np.zeros((1, n)), [0]))), "It hesitates among all of them"
    yield "loss-for-perplexity", float(np.log(n)), "that is its loss; the perplexity is $e$ to that power"
    yield "probability", 1 / n, "that is the probability of each letter"
    yield "all-right", 1, "that is the perplexity of a model that is always right, and sure of it"


@prediction("14-push", share=(0.9, 0.8, 0.7), p=(0.5, 0.3, 0.6))
def push_of_the_counts(share, p):
    """In a list of names, the letter after a q is a u in {share} of all cases. A model gives u the probability {p}
    there. Its loss is the mean cross-entropy over these cases. What is the gradient of the score of u?"""
    scores = tl.parameter(np.log([p, 1 - p]))
    (-tl.sum(tl.log_softmax(scores) * np.array([share, 1 - share]))).backward()
    yield float(scores.gradient[0]), "Probability minus share: it is 0 where the model says what the counts say"
    yield "sign", share - p, "that would push the score down, but u came more often than the model says"
    yield "one-case", p - 1, "that is the gradient where u came; where it did not, the gradient is another"
    yield "no-share", p, "that is the gradient where u did not come"


@prediction("14-join", word=("banana", "santana", "manhattan"))
def tokens_after_a_join(word):
    """The pair of a and n is joined wherever it occurs. How many tokens does `{word}` have then?"""
    yield len(word.replace("an", "#")), "Each join takes one token away"
    yield "none-joined", len(word), "that is how many letters it has; each join takes one token away"
    yield "first-only", len(word) - 1, "that is after one join, but the pair occurs more often"
    yield "parts-left-out", len(word) - 2 * word.count("an"), "a joined pair is still one token"


@prediction("14-questions", n=(5, 7, 9))
def questions_of_a_name(n):
    """A name has {n} letters, with a dot before it and a dot after it. How many times does one pass ask the network
    for the next letter?"""
    yield n + 1, "Once after the first dot, and once after each letter: where a name ends is learned, too"
    yield "no-dot", n, "there is also a question after the first dot: which letter begins the name?"
    yield "last-dot-asks", n + 2, "nothing comes after the last dot"
    yield "last-only", 1, "with a causal mask each place is a question of its own"


@prediction("14-heat", p=(0.9, 0.8, 0.75))
def colder(p):
    """Two letters have the probabilities {p} and 1 - {p}, at temperature 1. What is the probability of the first at
    temperature 0.5?"""
    scores = np.log([p, 1 - p])
    yield float(tl.softmax(scores / 0.5)[0]), "Both are squared, and then divided by their sum"
    yield (
        "hotter",
        float(tl.softmax(scores * 0.5)[0]),
        "that is temperature 2, at which the two come closer",
    )
    yield "no-change", p, "that is temperature 1"
    yield "squared-only", p * p, "that is the square; the two must sum to 1 again"
    yield "probability-scaled", p * 0.5, "the scores are divided, not the probabilities"


FALLS, RISES, STAYS = "far below", "far above", "about the same"


@prediction("14-peek", steps=(300, 500))
def loss_of_a_peeker(steps):
    """Two networks train for {steps} steps on the same names. One has no causal mask. Where is its training loss at the
    end, compared with that of the other?"""
    yield FALLS, "It reads the answer from its input: it sees the letter that comes next"
    yield "more-is-harder", RISES, "a network that sees more has an easier task; what does this one see?"
    yield "no-difference", STAYS, "the letter that it must guess is among those that it sees"
