"""Encodes texts with a model folder's tokenizer as transformers opens it, and decodes them again.

    python3 open_tokenizer.py FOLDER TEXTS.json
"""
import json
import sys

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(open(sys.argv[2]))
ids = [tokenizer(text)["input_ids"] for text in texts]
print(json.dumps({"ids": ids, "decoded": [tokenizer.decode(each) for each in ids]}))
