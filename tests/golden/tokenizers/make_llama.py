"""tokenizer.model with what stands beside it in a model's folder, and the ids of transformers.

    python3 make_llama.py [FOLDER]      (tests/golden/make.sh calls it; transformers 4.57.6,
                                         tokenizers 0.22.2 and sentencepiece 0.2.3 made the tree's)

FOLDER/user.model: as bpe.model of make_sentencepiece.py, with a user-defined symbol.
FOLDER/expected-folders.json: {"texts": [..], "folders": [{"model", "files": {name: content},
"first": id or null, "ids": [ids of each text], "slow": {text: ids}}]}: AutoTokenizer's ids of a
folder with these files, add_special_tokens=False; "first" is what a plain call puts in front;
"slow" has the texts for which use_fast=False gives others.
"""
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import sentencepiece
from transformers import AutoTokenizer

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here

TEXTS = [
    "", "a", " ", "\n", "  two", "First Citizen:\nBefore we proceed.", "<s>", "</s>",
    "a<s>b</s> c", "one</s>\nFirst two</s>  three ", "</s></s>", " </s> x", "<unk>x", "x <unk> y",
    "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>", "a<|im_start|>b", "a <|im_start|> b",
    "  <|im_end|>  x", "<|im_end|><|im_end|> all", "wordword word", "a word, <pad>b",
    "x<|user|>y <|user|> z", "naïve </s>café 日<|im_end|>本", "▁under ▁ a▁</s>▁b",
    "\t</s>\t\n<|im_end|>", "trailing  ", "</s", "<<s>s>", "Hi<|im_end|> \n x",
]


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False,
            "single_word": False, "special": True, **flags}


def decoder(**tokens):
    rows = {"0": token("<unk>"), "1": token("<s>"), "2": token("</s>")}
    return rows | {str(SIZE + i): value for i, value in enumerate(tokens.values())}


SIZE = 420
ADDED = {"<|im_start|>": SIZE, "<|im_end|>": SIZE + 1, "<pad>": SIZE + 2}
LLAMA = {"tokenizer_class": "LlamaTokenizer", "legacy": True, "bos_token": "<s>",
         "eos_token": "</s>", "unk_token": "<unk>"}


def config(**more):
    return {"tokenizer_config.json": LLAMA | more}


def chat(**flags):
    return decoder(start=token("<|im_start|>", **flags), end=token("<|im_end|>", **flags),
                   pad=token("<pad>", **flags))


def marked(content):
    return {"__type": "AddedToken", **token(content, normalized=True)}


FOLDERS = [
    ("bpe.model", config()),
    ("bpe.model", config(add_bos_token=False)),
    ("bpe.model", config(legacy=False)),
    ("bpe.model", config(add_prefix_space=False)),
    ("bpe.model", config(legacy=False, add_prefix_space=False)),
    ("bpe.model", config(added_tokens_decoder=chat(), eos_token="<|im_end|>", pad_token="<pad>")
     | {"added_tokens.json": ADDED}),
    ("bpe.model", config(added_tokens_decoder=chat(), legacy=False)),
    ("bpe.model", config() | {"added_tokens.json": ADDED}),
    ("bpe.model", config(legacy=False) | {"added_tokens.json": ADDED}),
    ("bpe.model", config() | {
        "added_tokens.json": ADDED,
        "special_tokens_map.json": {"eos_token": "<|im_end|>", "pad_token": "<pad>",
                                    "additional_special_tokens": ["<|im_start|>"]}}),
    ("bpe.model", config() | {
        "special_tokens_map.json": {"pad_token": "<pad>",
                                    "bos_token": token("<s>", normalized=True)}}),
    ("bpe.model", config(added_tokens_decoder=chat(lstrip=True))),
    ("bpe.model", config(added_tokens_decoder=chat(rstrip=True))),
    ("bpe.model", config(added_tokens_decoder=chat(lstrip=True, rstrip=True), legacy=False)),
    ("bpe.model", config(added_tokens_decoder=decoder(
        a=token("word", single_word=True, special=False)))),
    ("bpe.model", config(added_tokens_decoder=chat(normalized=True))),
    ("bpe.model", config(bos_token=marked("<s>"), eos_token=marked("</s>"))),
    ("user.model", config()),
    ("user.model", config(legacy=False)),
    ("unigram.model", config()),
    ("unigram.model", config(add_prefix_space=False)),
]


def user_model():
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((here / "training.txt").read_text().splitlines()),
        model_writer=written, normalization_rule_name="identity", num_threads=1, minloglevel=2,
        model_type="bpe", vocab_size=340, byte_fallback=True, remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, user_defined_symbols=["<|user|>"])
    return written.getvalue()


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def case(model, files):
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        shutil.copy(folder / model, directory / "tokenizer.model")
        (directory / "config.json").write_text('{"model_type": "llama"}')
        for file, content in files.items():
            (directory / file).write_text(json.dumps(content))
        fast = AutoTokenizer.from_pretrained(directory)
        slow = AutoTokenizer.from_pretrained(directory, use_fast=False)
    ids = [ids_of(fast, text) for text in TEXTS]
    first = fast("").input_ids
    assert fast("a").input_ids == first + ids_of(fast, "a") and len(first) < 2
    others = {text: ids_of(slow, text) for text in TEXTS}
    return {"model": model, "files": files, "first": first[0] if first else None, "ids": ids,
            "slow": {text: others[text] for text, own in zip(TEXTS, ids) if others[text] != own}}


(folder / "user.model").write_bytes(user_model())
document = {"texts": TEXTS, "folders": [case(model, files) for model, files in FOLDERS]}
(folder / "expected-folders.json").write_text(
    json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n")
