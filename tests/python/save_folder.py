"""save_folder.py FOLDER TEXT WINDOW OPTIONS: a model saved by transformers, and its loss.

OPTIONS is a JSON object of its config's arguments; "model_type": another than llama; "float16": true
saves the weights in that dtype.
The loss is the mean over the bytes of TEXT but the first: window k feeds tokens kW .. and scores
tokens kW+1 .. min((k+1)W, n-1).
"""
import json
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM

folder, text, window, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
half, model_type = options.pop("float16", False), options.pop("model_type", "llama")
torch.manual_seed(7)
config = AutoConfig.for_model(model_type, **{**dict(vocab_size=256, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                               num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64),
                        **options})
model = AutoModelForCausalLM.from_config(config).eval()
with torch.no_grad():
    for parameter in model.parameters():
        parameter += 0.1 * torch.randn(parameter.shape)
if half:
    model = model.half()
model.save_pretrained(folder)
model = model.float()

tokens = torch.tensor(list(open(text, "rb").read()))
total = correct = 0.0
with torch.no_grad():
    for start in range(0, len(tokens) - 1, window):
        fed = tokens[start:min(start + window, len(tokens) - 1)]
        targets = tokens[start + 1:start + 1 + len(fed)]
        logits = model(fed[None]).logits[0].double()
        total += torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item()
        correct += (logits.argmax(-1) == targets).sum().item()
print(json.dumps({"loss": total / (len(tokens) - 1), "accuracy": correct / (len(tokens) - 1),
                  "tokens": len(tokens) - 1}))
