"""Tokenizers as the library `tokenizers` trains and writes them, small, and the ids it gives.

    python3 make.py [FOLDER]       (tests/golden/make.sh calls it; tokenizers 0.21.4 made the tree's)

FOLDER/gpt2.json, llama3.json, starcoder.json, qwen.json: trained on training.txt and the texts
below.
FOLDER/expected.json: {"texts": [..], "plain": {file: [case of each text]}, "variants": [{"file",
"patch", "changed": {text: case}}]}. A case is [ids], or [ids, decoded] where that is not the text.
A patch is a JSON merge patch (RFC 7396) of the file; its cases are the file's but for the changed.
"""
import copy
import json
import pathlib
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

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
WHITE_SPACE = "".join(map(chr, [9, 10, 11, 12, 13, 0x1c, 0x20, 0x85, 0xa0, 0x1680, 0x180e, 0x2000,
                                0x2003, 0x200a, 0x200b, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060,
                                0x3000, 0xfeff]))

TEXTS = [
    "", "a", " ", "\n", "  ", "é", "😀",
    "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n",
    "The quick brown fox jumps over the lazy dog.", " leading", "trailing ", "trailing  \n",
    "two  words", "a   b    c     d", "\t\tindented\n\t\t\tmore\n", "x\n\n\ny\n \n z",
    "   \n   \n", "end\n   ",
    "line\r\nline\r\n\r\nline\r", " \r\n x", "\r\r\n\n\r",
    "I'm you're he'll she'd we've it's don't", "I'M YOU'RE HE'LL SHE'D WE'VE IT'S DON'T",
    "'s 'S ''s ' s", "'tis the season's 'twas o'clock rock'n'roll", "it’s curly",
    "it'\u017f long s", "'LL 'lL 'Ll",
    "0 12 345 6789 01234567890 3.14159 1,000,000", "year2024month12", "½ ² Ⅷ ٣٤ ४५ ㊿", "x2y33z444",
    "def f(x, *, y=None):\n    return x ** 2 + f(y)[0] if y else {'a': 1}  # note\n",
    "#include <vector>\nint main() { std::vector<int> v{1, 2}; return v[0] != 0 && !v.empty(); }\n",
    "a_b __init__ camelCase HTTPServer SHOUTING iPhone", "https://example.org/a?b=c&d=%20#e",
    "!!!??? ... --- ///\n///", "(«quoted» „text“) …", "$5 €6 + = ~ ^ ` |",
    "naïve café Ångström Žluťoučký kůň", "cafe\u0301 A\u030angstro\u0308m",
    "\u1e9b\u0323 \ufb01 \u2126 \u212b",
    "q\u0307\u0323 q\u0323\u0307", "\u0301 starts with a mark", "e\u0301\u0301\u0301",
    "한국어 \u1112\u1161\u11ab",
    "日本語のテキスト、そして漢字。", "中文没有空格,但有标点。", "Привет, мир! Ελληνικά. שלום עולם. مرحبا بالعالم",
    "हिन्दी में पाठ", "ไทยไม่มีช่องว่าง", "👨‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ ⓐ", "z͑ͫ̓ͪ̂ͫ̽͏̴̙̤a̴̵l̷g̸o̶",
    "non\u00a0breaking\u00a0 \u00a0space", WHITE_SPACE, "a" + "b".join(WHITE_SPACE) + "c",
    "zero\u200bwidth\u200cjoin\u200der\ufeff", "\u2028line\u2029paragraph\u0085next",
    "nul\0byte \x01\x1f\x7f",
    "\u180e\u180e x", "What is this? What shall this?",
    "private \ue000 \U000f0000 unassigned \u0378 last \U0010ffff \uffff",
    "<|endoftext|>", "one<|endoftext|>two", "one <|endoftext|> two\n<|endoftext|><|endoftext|>",
    "<|endoftext|", "<|<|endoftext|>|>", "<|fim_prefix|>def f():<|fim_suffix|>\n<|fim_middle|>  ",
    "  <mask>  \n<mask><mask> x<mask>y<mask", "a word words a word_ sa word a word a words",
    "a word\u200d a word\u203f a word\u24d0 \u3000a word\u3000<mask>\u3000\u2003x",
    "tag  tag\ttag tagtag",
    "Éclair E\u0301clair éclair",
    "x" * 200, "na" * 999 + "!", " " * 60 + "x", "\n" * 50, "ab1" * 40, "." * 40 + "\n" * 3,
    "speakspeakspeak Citizen CitizenCitizen", "ﬁ ﬀ ẞ ß ǆ İ ı K",
]

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


def added(tokenizer, **tokens):
    """The file's added tokens and more of them, with consecutive ids."""
    rows = copy.deepcopy(tokenizer["added_tokens"])
    vocabulary = tokenizer["model"]["vocab"]
    next_id = 1 + max([*vocabulary.values(), *(row["id"] for row in rows)])
    for content, flags in tokens.items():
        rows.append({"id": vocabulary.get(content, next_id), "content": content,
                     "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                     "special": False, **flags})
        next_id += content not in vocabulary
    return {"added_tokens": rows}


def merged(document, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


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


def cases_of(tokenizer):
    """[ids, decoded] of each text; decoded where it is not the text."""
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        cases.append([ids] if decoded == text else [ids, decoded])
    return cases


plain, variations = {}, []
for file, patch in variants():
    cases = cases_of(Tokenizer.from_str(json.dumps(merged(FILES[file], patch))))
    plain.setdefault(file, cases)
    if patch:
        changed = {TEXTS[i]: case for i, case in enumerate(cases) if case != plain[file][i]}
        variations.append({"file": file, "patch": patch, "changed": changed})
expected = {"texts": TEXTS, "plain": plain, "variants": variations}

folder.mkdir(parents=True, exist_ok=True)
for file, document in FILES.items():
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    (folder / file).write_text(text + "\n")
(folder / "expected.json").write_text(
    json.dumps(expected, ensure_ascii=True, separators=(",", ":")) + "\n")
