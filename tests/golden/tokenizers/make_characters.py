"""Tokenizers over characters, as SentencePiece's models become tokenizer.json, and their ids.

    python3 make_characters.py [FOLDER]    (tests/golden/make.sh calls it; tokenizers 0.22.2 and
                                            sentencepiece 0.2.3 made the tree's)

FOLDER/llama2.json: BPE whose tokens begin where spaces are; bytes for what is no token.
FOLDER/gemma.json: BPE that no space divides. FOLDER/t5.json: Unigram, with a table of characters
that SentencePiece wrote. FOLDER/expected-characters.json: cases.py.
"""
import base64
import io
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from cases import added, write
from texts import TEXTS, WHITE_SPACE

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here

MARK = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
PIECES = [" ", "  ", MARK, MARK + MARK, "\n", "\t", "\r\n", "<s>", "</s>", "<unk>", "<0x41>", "<mask>", "tag",
          "a", "the", "Speak", "proceed", "É", "e\u0301", "ﬁ", "½", "ⓐ", "漢", "字", "한", "\u1112\u1161", "😀",
          "👨\u200d👩", "\u200b", "\ufeff", "\x00", "\x01", "\x7f", "\u00a0", "\u3000", "\u0301", "\u0323",
          "\ue000", "İ", "ß", ".", "'s", "12"]


def invented(count):
    """Texts of pieces that tokenizers treat in ways of their own, the same each time."""
    rng = random.Random(18)
    return ["".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 14))) for _ in range(count)]


LONG = {"x" * 200, " " * 60 + "x", "ab1" * 40, "\n" * 50}
# A fifth of the others: they are many for as many variants.
CASES = [text for place, text in enumerate(TEXTS)
         if len(text) < 20 or text in LONG or (place % 5 == 0 and len(text) < 90)] + [
    MARK, MARK + "a", "a" + MARK + "b", "a " + MARK + " b", " " + MARK, "<s>", "<s>a</s>", "<s> a </s> b",
    " <s>  a", "a<s>", "\n<s>\n", "<unk>", "a<unk><unk>b", "<0x41><0x0A>", "x<0xC3>", WHITE_SPACE + "end",
    "\r\ne\u0301\x01\r", "\x01a", "ｆｕｌｌ　ｗｉｄｔｈ", "ﬁ\u0301n"] + invented(22)


def training_texts():
    texts = (here / "training.txt").read_text().splitlines()
    return texts + [text for text in TEXTS if len(text) < 60]


def step(kind, **keys):
    return {"type": kind, **keys}


def sequence(key, *steps):
    return step("Sequence", **{key: list(steps)})


def replace(pattern, content, kind="String"):
    return step("Replace", pattern={kind: pattern}, content=content)


def metaspace(scheme, split=True):
    return step("Metaspace", replacement=MARK, prepend_scheme=scheme, split=split)


TO_MARKS = replace(" ", MARK)
LLAMA2_NORMALIZER = sequence("normalizers", step("Prepend", prepend=MARK), TO_MARKS)
LLAMA2_DECODER = sequence("decoders", replace(MARK, " "), step("ByteFallback"), step("Fuse"),
                          step("Strip", content=" ", start=1, stop=0))
GEMMA_DECODER = sequence("decoders", replace(MARK, " "), step("ByteFallback"), step("Fuse"))


def document_of(tokenizer, special, **keys):
    document = json.loads(tokenizer.to_str())
    document |= keys
    document["added_tokens"] = []
    flags = {token: {"special": True} for token in special}
    return document | added(document, **flags)


def byte_pair(trained_with, vocabulary, **keys):
    """BPE of characters with the 256 bytes in its vocabulary."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = trained_with
    texts = [text.replace(" ", MARK) for text in training_texts()]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocabulary, show_progress=False, limit_alphabet=70,
        special_tokens=["<unk>", "<s>", "</s>", *BYTES]))
    tokenizer.pre_tokenizer = None
    return document_of(tokenizer, ["<unk>", "<s>", "</s>"], **keys)


def small_table():
    """A table of characters as SentencePiece writes them; its own has 240 kB."""
    rules = {"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u2003": " ", "\x01": "", "\x7f": "",
             "\u200b": "", "\ufeff": "", "ﬁ": "fi", "½": "1\u20442", "ⓐ": "a", "e\u0301": "é", "A\u030a": "Å",
             "\u1112\u1161\u11ab": "한", "ｆ": "f", "ｗ": "w", "İ": "i\u0307", "…": "..."}
    with tempfile.TemporaryDirectory() as temporary:
        table = pathlib.Path(temporary) / "table.tsv"
        table.write_text("".join(" ".join(f"{ord(c):X}" for c in source) + "\t" +
                                 " ".join(f"{ord(c):X}" for c in target) + "\n"
                                 for source, target in rules.items()))
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training_texts()), model_writer=written, vocab_size=300,
            hard_vocab_limit=False, normalization_rule_tsv=str(table), num_threads=1, minloglevel=2)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def unigram(**keys):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(training_texts(), trainers.UnigramTrainer(
        vocab_size=400, show_progress=False, unk_token="<unk>", special_tokens=["<pad>", "</s>", "<unk>"]))
    document = document_of(tokenizer, ["<pad>", "</s>", "<unk>"], **keys)
    for row in document["model"]["vocab"]:
        row[1] = round(row[1], 5)
    return document


def with_bytes(document):
    """The patch that puts the bytes behind a Unigram vocabulary."""
    rows = document["model"]["vocab"] + [[token, 0.0] for token in BYTES]
    return {"model": {"vocab": rows, "byte_fallback": True}}


TABLE = step("Precompiled", precompiled_charsmap=small_table())
FILES = {
    "llama2.json": byte_pair(pre_tokenizers.Metaspace(prepend_scheme="always"), 640,
                             normalizer=LLAMA2_NORMALIZER, decoder=LLAMA2_DECODER),
    "gemma.json": byte_pair(None, 620, normalizer=TO_MARKS, decoder=GEMMA_DECODER,
                            pre_tokenizer=step("Split", pattern={"String": " "}, invert=False,
                                               behavior="MergedWithPrevious")),
    "t5.json": unigram(normalizer=TABLE, pre_tokenizer=metaspace("always"), decoder=metaspace("always")),
}


def variants():
    """(file, patch): first every file as it is."""
    for name in FILES:
        yield name, {}
    llama2, t5 = FILES["llama2.json"], FILES["t5.json"]
    for name, scheme, split in [("llama2.json", "first", False), ("llama2.json", "always", False),
                                ("llama2.json", "never", True), ("llama2.json", "first", True),
                                ("t5.json", "first", True), ("t5.json", "always", False),
                                ("t5.json", "never", True)]:
        yield name, {"normalizer": None, "pre_tokenizer": metaspace(scheme, split),
                     "decoder": metaspace(scheme)}
    older = {"type": "Metaspace", "replacement": MARK, "add_prefix_space": True}
    yield "llama2.json", {"normalizer": None, "pre_tokenizer": older, "decoder": None}
    yield "t5.json", {"pre_tokenizer": None}
    for fuse in [False, True]:
        yield "llama2.json", {"model": {"byte_fallback": False, "fuse_unk": fuse}}
        yield "llama2.json", {"model": {"fuse_unk": fuse, "vocab": {"<0xE6>": None, "<0x01>": None}},
                              "added_tokens": []}
    yield "llama2.json", {"model": {"ignore_merges": True}}
    yield "gemma.json", {"normalizer": LLAMA2_NORMALIZER, "decoder": LLAMA2_DECODER}
    yield "gemma.json", {"pre_tokenizer": step("WhitespaceSplit"), "normalizer": None}
    flags = [{}, {"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True}]
    for flag in flags:
        for normalized in [False, True]:
            if normalized and len(flag) == 1:
                continue
            tokens = {"<mask>": {**flag, "normalized": normalized}, "tag": {"single_word": True, **flag},
                      "É": {"normalized": normalized}, "the": {**flag, "normalized": normalized}}
            yield "llama2.json", added(llama2, **tokens)
            yield "llama2.json", {"normalizer": None, "pre_tokenizer": metaspace("first", False),
                                  **added(llama2, **tokens)}
            yield "t5.json", added(t5, **tokens)
            yield "t5.json", {"pre_tokenizer": metaspace("first"), **added(t5, **tokens)}
    yield "t5.json", with_bytes(t5) | {"added_tokens": [], "decoder": LLAMA2_DECODER}
    strip = step("Strip", strip_left=True, strip_right=True)
    spaces = replace(" {2,}", " ", "Regex")
    albert = [replace("``", '"'), replace("''", '"'), step("NFKD"), step("StripAccents"), step("Lowercase"), TABLE,
              spaces]
    xlnet = sequence("pretokenizers", step("WhitespaceSplit"), metaspace("always"))
    yield "t5.json", {"normalizer": sequence("normalizers", *albert), "pre_tokenizer": xlnet}
    words = sequence("pretokenizers", step("WhitespaceSplit"), metaspace("first"))
    for first, behind in [
            (strip, []), (step("Strip", strip_left=True, strip_right=False), []),
            (step("Strip", strip_left=False, strip_right=True), [TABLE]), (spaces, []),
            (step("Prepend", prepend=" a"), []), (replace("[\\s\x01]+", " ", "Regex"), [TABLE]),
            (replace("^|x", "- ", "Regex"), []), (step("NFKC"), []), (step("NFKD"), [TABLE]),
            (step("Lowercase"), []), (step("StripAccents"), []), (replace("", "."), [])]:
        yield "t5.json", {"normalizer": sequence("normalizers", first, *behind),
                          "pre_tokenizer": metaspace("first") if behind or first == strip else words}
    for decoder in [sequence("decoders", step("ByteFallback"), replace("[▁e]", "_", "Regex"), metaspace("never")),
                    sequence("decoders", step("Strip", content=MARK, start=2, stop=0), step("Fuse"))]:
        yield "llama2.json", {"decoder": decoder}


if __name__ == "__main__":
    write(folder, FILES, variants(), CASES, "expected-characters.json")
