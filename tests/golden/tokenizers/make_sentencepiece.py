"""SentencePiece models as its trainer writes them, small, and the ids and texts it gives.

    python3 make_sentencepiece.py [FOLDER]      (tests/golden/make.sh calls it; sentencepiece 0.2.3 made
                                                 the tree's)

FOLDER/bpe.model is trained as Llama 2's (byte fallback, a space in front, no normalisation),
FOLDER/unigram.model as the library does by itself, but for its table of normalisations, which is
large. FOLDER/sentencepiece.json: {file: [[text, ids, decoded text], ...]}.
"""
import io
import json
import pathlib
import sys

import sentencepiece

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here

TEXTS = [
    "", "a", " ", "\n", "  ", "x\nx", "\nx", "First Citizen:\nBefore we proceed any further, hear me speak.",
    " leading", "trailing ", "two  words and   three", "a\n\n\nb\n \n c", "\ttab", "0 12 345 3.14", "naïve café",
    "日本語", "😀", "e\u0301", "CRLF\r\nline", "non\u00a0breaking", "y" * 300, "nul\0byte",
]


def train(**options):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((here / "training.txt").read_text().splitlines()), model_writer=written,
        normalization_rule_name="identity", num_threads=1, minloglevel=2, **options)
    return written.getvalue()


models = {
    "bpe.model": train(model_type="bpe", vocab_size=420, byte_fallback=True, split_digits=True,
                       remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "unigram.model": train(model_type="unigram", vocab_size=200, add_dummy_prefix=False),
}
cases = {}
for name, content in models.items():
    (folder / name).write_bytes(content)
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    cases[name] = []
    for text in TEXTS:
        ids = processor.encode(text)
        cases[name].append([text, ids, processor.decode(ids)])
(folder / "sentencepiece.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n")
