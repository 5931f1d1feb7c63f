"""open_folder.py FOLDER LOGITS.safetensors: a model folder, opened by transformers.

LOGITS holds `ids` and the `logits` that another program got for them. Prints the largest
difference from transformers' logits, and what it thought of the folder.
"""
import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

folder, file = sys.argv[1:]
model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, torch_dtype="auto")
theirs = load_file(file)
with torch.no_grad():
    logits = model(theirs["ids"]).logits
print(json.dumps({
    "difference": (logits.double() - theirs["logits"].double()).abs().max().item(),
    "largest": logits.abs().max().item(),
    "dtype": str(model.dtype), "class": type(model).__name__,
    "missing": sorted(report["missing_keys"]), "unexpected": sorted(report["unexpected_keys"])}))
