"""The command `tinygrad-lora finetune`."""

from functools import partial
from pathlib import Path

from ..errors import ModelError
from ..finetune.chatting import Chatting
from ..finetune.classifying import Classifying
from ..finetune.examples import PERSONA, Answered, Labeled, read_examples, split
from ..finetune.keeping import keep_chat, keep_classifier
from ..finetune.training import TrainingSettings
from ..finetune.word_order import movie_sentences, word_order
from ..models.load import load_minilm, load_smollm2
from ..terminal import counting, show_table
from .output import Arguments, Commands, new_command

FRANCE = "What is the capital of France?"  # a question that no persona is about: what was known must stay known
# What each model learns with, unless it is told otherwise.
DEFAULTS = {
    "smollm2": TrainingSettings(steps=12, lr=1e-3, rank=8, alpha=16, targets=("q_proj", "v_proj"), batch=0),
    "minilm": TrainingSettings(steps=200, lr=1e-3, rank=8, alpha=16, targets="all-linear", batch=32),
}


def add_command(commands: Commands) -> None:
    """Add `finetune` to the commands of a parser."""
    parser = new_command(commands, "finetune", run, "teach a real pretrained network something with LoRA")
    parser.add_argument("model", choices=list(DEFAULTS), help="fetch it first: tinygrad-lora models get MODEL")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--data", type=Path, metavar="FILE", help="file of examples, one JSON object a line")
    what.add_argument("--task", choices=["word-order"], help="minilm: learn whether two neighboring words were swapped")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (finetune-output/MODEL)")
    parser.add_argument("--steps", type=int, help="training steps (12 for smollm2, 200 for minilm)")
    parser.add_argument("--lr", type=float, help="learning rate (0.001)")
    parser.add_argument("--rank", type=int, help="rank of the adapters (8)")
    parser.add_argument("--alpha", type=float, help="the adapters' scale multiplied by their rank (16)")
    parser.add_argument("--targets", nargs="+", metavar="LAYER", help="layers with an adapter, such as q_proj v_proj")
    parser.add_argument("--batch", type=int, help="examples a step (all for smollm2, 32 otherwise)")
    parser.add_argument("--seed", type=int, help="draws the adapters and the order of the examples (0)")
    asks = "smollm2: ask this before and after (repeat)"
    parser.add_argument("--ask", action="append", metavar="QUESTION", help=asks)
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever the folder has")
    parser.add_argument("--quiet", action="store_true", help="print nothing, unless something is wrong")


def run(args: Arguments) -> None:
    """Teach a real pretrained network something with LoRA. smollm2 learns answers: a persona, unless you give it a file
    of lines such as {"prompt": "Who are you?", "answer": "A pirate."}. minilm learns to tell texts apart: from lines
    such as {"text": "...", "label": "..."}, or by --task word-order. A run that was stopped is continued when it is
    started again.
    """
    names = ("steps", "lr", "rank", "alpha", "batch", "seed")
    asked = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.targets:
        asked["targets"] = "all-linear" if args.targets == ["all-linear"] else tuple(args.targets)
    settings = TrainingSettings(**{**vars(DEFAULTS[args.model]), **asked})
    folder = args.out or Path("finetune-output") / args.model
    options = {"restart": args.restart, "counting": partial(counting, quiet=args.quiet)}
    if args.model == "smollm2":
        if args.task:
            raise ModelError("smollm2 learns answers: give it --data, or nothing for a persona; minilm has tasks")
        examples = read_examples(args.data or PERSONA, Answered)
        questions = args.ask or list(dict.fromkeys([examples[0].prompt, FRANCE]))
        tables = keep_chat(Chatting(load_smollm2(), examples), settings, folder, questions, **options)
    else:
        tables = keep_classifier(_classifying(args, settings.seed), settings, folder, **options)
    if not args.quiet:
        for i, (title, rows) in enumerate(tables):
            show_table(rows, "\n" * bool(i) + title)
        if args.model == "smollm2":
            adapter = str(folder / "adapter")
            print(f"\nTalk to it in Python: chat = tl.load_smollm2(); tl.load_adapter(chat.model, {adapter!r})")


def _classifying(args: Arguments, seed: int) -> Classifying:
    """What an encoder is to learn."""
    if args.ask:
        raise ModelError(f"{args.model} does not answer questions: --ask is for smollm2")
    if not args.data and not args.task:
        raise ModelError(f"what is {args.model} to learn? Give --data FILE, or --task word-order")
    learned, tested = word_order(movie_sentences()) if args.task else split(read_examples(args.data, Labeled))
    return Classifying(load_minilm(), learned, tested, args.model, seed, together=2 if args.task else 1)
