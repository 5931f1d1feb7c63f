#!/usr/bin/env python3
"""The yardstick of several processes: steps of the same Llama under PyTorch's DDP over gloo.

    python3 -m torch.distributed.run --nproc-per-node 2 ddp_step.py CONFIG.json [--batch B] [--seq T]
        [--accumulate A] [--steps N] [--threads N]

Each process runs A micro-batches of B x T random tokens a step: forward, loss, backward (gradients
are exchanged in the last one alone), clipping at 1.0 and fused AdamW. Rank 0 prints one JSON line:
tokens_per_second of all processes together (median over steps, the first 3 left out).
"""
import argparse
import contextlib
import json
import statistics
import time

import torch
import torch.distributed as dist
from transformers import LlamaConfig, LlamaForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--seq", type=int, default=256)
parser.add_argument("--accumulate", type=int, default=1)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--threads", type=int, default=1)
a = parser.parse_args()

torch.set_num_threads(a.threads)
dist.init_process_group("gloo")
with open(a.config) as file:
    keys = {k: v for k, v in json.load(file).items()
            if k not in ("model_type", "architectures", "torch_dtype", "_name_or_path")}
config = LlamaConfig(**keys)
config._attn_implementation, config.use_cache = "sdpa", False
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(LlamaForCausalLM(config))
parameters = list(model.parameters())
optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.1, fused=True)
seconds = []
for step in range(a.steps + 3):
    batches = [torch.randint(0, config.vocab_size, (a.batch, a.seq)) for _ in range(a.accumulate)]
    dist.barrier()
    start = time.perf_counter()
    for i, ids in enumerate(batches):
        last = i + 1 == a.accumulate
        with contextlib.nullcontext() if last else model.no_sync():
            (model(input_ids=ids, labels=ids).loss / a.accumulate).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    seconds.append(time.perf_counter() - start)
if dist.get_rank() == 0:
    tokens = dist.get_world_size() * a.accumulate * a.batch * a.seq
    print(json.dumps({"torch": torch.__version__, "processes": dist.get_world_size(),
                      "tokens_per_second": tokens / statistics.median(seconds[3:])}))
dist.destroy_process_group()
