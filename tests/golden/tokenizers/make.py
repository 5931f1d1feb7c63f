"""Tokenizers as the library `tokenizers` trains and writes them, small, and the ids it gives.

    python3 make.py [FOLDER]       (tests/golden/make.sh calls it; tokenizers 0.21.4 made the tree's)

FOLDER/gpt2.json, llama3.json, starcoder.json, qwen.json: BPE over bytes, trained on training.txt
and on texts.py. FOLDER/expected.json: cases.py.
"""
import json
import pathlib
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

from cases import added, write
from texts import TEXTS

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
NEVER_MERGED = {"Ġthis", "What", "Ġshall"}  # in a vocabulary that ignores merges


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **options})


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)


def train(pre_tokenizer, normalizer, special, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    texts = (here / "training.txt").read_text().splitlines(keepends=True)
    texts += [text for text in TEXTS if len(text) < 90] * 2
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=600, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token in special])
    document = json.loads(tokenizer.to_str())
    if ignore_merges:  # tokens that no merge makes, as Llama 3 has them
        document["model"]["merges"] = [pair for pair in document["model"]["merges"]
                                       if "".join(pair) not in NEVER_MERGED]
    return document


def sequence(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}}


def split_step(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
              "use_regex": False}
FILES = {
    "gpt2.json": train(byte_level(), None, ["<|endoftext|>"]),
    "llama3.json": train(pre_tokenizers.Sequence([split(LLAMA3), byte_level(use_regex=False)]),
                         None, ["<|begin_of_text|>", "<|endoftext|>", "<mask>"],
                         ignore_merges=True),
    "starcoder.json": train(pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level()]), None,
        ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]),
    "qwen.json": train(pre_tokenizers.Sequence([split(QWEN), byte_level(use_regex=False)]),
                       normalizers.NFC(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
}


def variants():
    """(file, patch): first every file as it is."""
    for name in FILES:
        yield name, {}
    gpt2, qwen = FILES["gpt2.json"], FILES["qwen.json"]
    older = {"type": None, "merges": [" ".join(pair) for pair in gpt2["model"]["merges"]]}
    yield "gpt2.json", {"model": older}
    yield "gpt2.json", {"pre_tokenizer": {"add_prefix_space": True}}
    yield "gpt2.json", {"pre_tokenizer": {"use_regex": False}}
    yield "llama3.json", {"model": {"ignore_merges": False}}
    for behavior in ["Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"]:
        for invert in [False, True]:
            yield "llama3.json", sequence(split_step(r"\s+|\p{N}", behavior, invert), BYTES_ONLY)
    yield "llama3.json", sequence(split_step(r"\s*", "Contiguous"), BYTES_ONLY)
    yield "llama3.json", sequence(split_step(r"x*|^[A-Z]\w*|\b\W+$", "MergedWithPrevious"),
                                  BYTES_ONLY)
    yield "llama3.json", sequence(split_step("e.", "Isolated", False, "String"), BYTES_ONLY)
    yield "llama3.json", sequence(split_step(" ", "MergedWithNext", False, "String"), BYTES_ONLY)
    yield "llama3.json", sequence(split_step(O200K, "Removed", True), BYTES_ONLY)
    yield "llama3.json", sequence(split_step(r"\p{N}{1,2}+|\p{Han}+|[^\S\n]+|\h\h|\w\W|."),
                                     BYTES_ONLY)
    for behavior in ["MergedWithPrevious", "MergedWithNext"]:
        yield "llama3.json", sequence(split_step(r"\p{L}", behavior), BYTES_ONLY)
    for pattern in [r"\w+", r"[\w.]+", r"[^\w\s]+", r"(?m:.\n)|(?i:S)|\B\u0061"]:
        yield "llama3.json", sequence(split_step(pattern), BYTES_ONLY)
    yield "starcoder.json", sequence({"type": "Digits", "individual_digits": False},
                                     {**BYTES_ONLY, "add_prefix_space": True, "use_regex": True})
    flags = {"lstrip": {"lstrip": True}, "rstrip": {"rstrip": True},
             "both": {"lstrip": True, "rstrip": True}}
    for flag in flags.values():
        yield "gpt2.json", added(gpt2, **{"<mask>": flag, "<mask": {},
                                          "a word": {"single_word": True},
                                          "tag": {"single_word": True, **flag}, " ": flag})
    for form in ["NFC", "NFD", "NFKC", "NFKD"]:
        for normalized in [False, True]:
            yield "qwen.json", {"normalizer": {"type": form}} | added(
                qwen, **{"Éclair": {"normalized": normalized},
                         "e\u0301": {"normalized": normalized},
                         "  ": {}, "fi": {"normalized": normalized}})
    yield "qwen.json", {"normalizer": {"type": "Sequence", "normalizers": [
        {"type": "NFD"}, {"type": "NFKC"}]}}
    yield "qwen.json", {"normalizer": {"type": "Sequence", "normalizers": []}}


write(folder, FILES, variants(), TEXTS, "expected.json")
