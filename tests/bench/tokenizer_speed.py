"""How fast the Python libraries encode, and files for our own benchmark.

    python3 tokenizer_speed.py FOLDER TEXT... [MODEL.model...]
    OMP_NUM_THREADS=1 LOOKBACK_TOKENIZERS=FOLDER build/bin/lookback_bench --benchmark_filter=Tokenizer

Trains one tokenizer of each family on the texts, writes FOLDER/NAME.json, FOLDER/NAME.model and
FOLDER/text.txt, and prints millions of bytes per second: line by line, which is the libraries'
faster way, and the whole text at once, the better of three each. `tokenizers` on one thread;
SentencePiece on one and on as many as the machine has, of its own models and of those named.
"""
import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pathlib
import shutil
import sys
import time

import sentencepiece

from tokenizers import (Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
VOCABULARY = 32_000


def over_bytes(pre_tokenizer, lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def over_characters(lines):
    """As Llama 2's file: the whole text is one word."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False,
        special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]))
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    return tokenizer


def unigram(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(
        vocab_size=VOCABULARY, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]))
    return tokenizer


def best_speed(size, path, encode):
    speeds = []
    for _ in range(3):
        tokenizer = Tokenizer.from_file(path)
        start = time.perf_counter()
        encode(tokenizer)
        speeds.append(size / (time.perf_counter() - start) / 1e6)
    return max(speeds)


def train_sentencepiece(folder, kind):
    """With Llama's settings for BPE, and T5's for Unigram."""
    llama = {"byte_fallback": True, "split_digits": True, "normalization_rule_name": "identity",
             "remove_extra_whitespaces": False}
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"), model_prefix=str(folder / f"sp-{kind}"), model_type=kind,
        vocab_size=8000, minloglevel=2, **(llama if kind == "bpe" else {}))
    (folder / f"sp-{kind}.vocab").unlink()


def print_sentencepiece(path, text, lines):
    size = len(text.encode())
    for threads in sorted({1, os.cpu_count()}):
        speeds = []
        for _ in range(3):
            used = sentencepiece.SentencePieceProcessor(model_file=str(path))
            start = time.perf_counter()
            used.encode(lines, num_threads=threads)
            speeds.append(size / (time.perf_counter() - start) / 1e6)
        print(f"{path.name}: by line on {threads} threads {max(speeds):.2f} MB/s", flush=True)
    used = sentencepiece.SentencePieceProcessor(model_file=str(path))
    start = time.perf_counter()
    used.encode(text)
    print(f"{path.name}: whole {size / (time.perf_counter() - start) / 1e6:.2f} MB/s", flush=True)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    models = [name for name in sys.argv[2:] if name.endswith(".model")]
    text = "".join(pathlib.Path(name).read_text() for name in sys.argv[2:] if name not in models)
    (folder / "text.txt").write_text(text)
    lines = text.splitlines(keepends=True)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    llama3 = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made = {"gpt2": over_bytes(gpt2, lines), "llama3": over_bytes(llama3, lines),
            "llama2": over_characters(lines), "unigram": unigram(lines)}
    size = len(text.encode())
    for name, tokenizer in made.items():
        path = str(folder / f"{name}.json")
        tokenizer.save(path)
        by_line = best_speed(size, path, lambda used: used.encode_batch_fast(lines, add_special_tokens=False))
        whole = best_speed(size, path, lambda used: used.encode(text, add_special_tokens=False))
        print(f"{name}.json: by line {by_line:.2f} MB/s, whole {whole:.2f} MB/s", flush=True)
    for name in models:
        shutil.copy(name, folder)
    for kind in ("bpe", "unigram"):
        train_sentencepiece(folder, kind)
    for path in sorted(folder.glob("*.model")):
        print_sentencepiece(path, text, lines)


main()
