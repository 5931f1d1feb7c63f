#!/usr/bin/env python3
"""The yardstick: one training step of the same Llama in PyTorch, on this machine's CPU or GPU.

    python3 -m venv .venv && .venv/bin/pip install torch==2.7.1 transformers==4.47.1 numpy
    .venv/bin/python torch_step.py CONFIG.json [--preset P] [--batch B] [--seq T] [--steps N]
        [--dtype float32|bfloat16] [--attention sdpa|eager] [--compile] [--device cpu|cuda]
        [--threads N] [--forward-only] [--gemm] [--mechanism JSON]

Prints one JSON line: tokens_per_second (median over steps, the first 3 left out),
seconds_per_step, peak_bytes, parameters, torch's version. A step is forward, loss, backward,
gradient clipping at 1.0 and fused AdamW on random tokens. --preset other than llama runs the
slow explicit model of ../golden/oracle.py, which is what one writes by hand in PyTorch.
--mechanism is a value of attention_mechanism, as JSON: the model of ../golden/mechanisms.py, whose
masks are made once. A pattern of the plain attention also runs as transformers' Llama with
scaled_dot_product_attention under that mask: --mechanism JSON --attention sdpa-mask.
--gemm times plain matrix products instead, in GFLOP/s per shape.
"""
import argparse, json, os, pathlib, resource, statistics, sys, time

ap = argparse.ArgumentParser()
ap.add_argument("config", nargs="?")
ap.add_argument("--preset", default="llama")
ap.add_argument("--batch", type=int, default=4)
ap.add_argument("--seq", type=int, default=256)
ap.add_argument("--steps", type=int, default=8)
ap.add_argument("--dtype", default="float32")
ap.add_argument("--attention", default="sdpa")
ap.add_argument("--compile", action="store_true")
ap.add_argument("--device", default="cpu")
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--forward-only", action="store_true")
ap.add_argument("--gemm", action="store_true")
ap.add_argument("--mechanism")
a = ap.parse_args()

import torch
torch.set_num_threads(a.threads)
dtype = getattr(torch, a.dtype)

def sync():
    if a.device == "cuda":
        torch.cuda.synchronize()

def peak_bytes():
    if a.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

if a.gemm:
    out = {}
    for m, n, k in [(1024, 1024, 1024), (2048, 512, 512), (2048, 1024, 512), (2048, 32000, 512),
                    (512, 32000, 2048), (1024, 768, 768), (1024, 3072, 768), (64, 64, 64), (1, 4096, 4096)]:
        x = torch.randn(m, k, dtype=dtype, device=a.device)
        w = torch.randn(n, k, dtype=dtype, device=a.device)
        best, end = 1e9, time.time() + 1.0
        while time.time() < end:
            sync(); t = time.perf_counter(); torch.nn.functional.linear(x, w); sync()
            best = min(best, time.perf_counter() - t)
        out[f"{m}x{n}x{k}"] = round(2 * m * n * k / best / 1e9, 1)
    print(json.dumps(dict(torch=torch.__version__, dtype=a.dtype, threads=a.threads, gflops=out)))
    sys.exit()

c = json.load(open(a.config))
torch.manual_seed(0)
golden_folder = str(pathlib.Path(__file__).resolve().parent.parent / "golden")
if a.mechanism and a.attention == "sdpa-mask":
    sys.path.insert(0, golden_folder)
    import mechanisms
    from transformers import LlamaConfig, LlamaForCausalLM
    keep = {k: v for k, v in c.items() if k not in ("model_type", "architectures", "torch_dtype", "_name_or_path")}
    cfg = LlamaConfig(**keep)
    cfg._attn_implementation, cfg.use_cache = "sdpa", False
    model = LlamaForCausalLM(cfg).to(a.device)
    params = list(model.parameters())
    p = dict(sliding_window=1, dilation=1, global_tokens=0, num_random_blocks=0, block_size=1, random_seed=0)
    p.update(json.loads(a.mechanism)["pattern"])
    hidden = mechanisms.hidden_keys(p, 0, 1, a.seq)[None].to(a.device)     # one mask for all layers and heads
    bias = torch.zeros(1, 1, a.seq, a.seq, device=a.device).masked_fill(hidden, float("-inf"))
    run = torch.compile(model) if a.compile else model
    loss_of = lambda ids: run(input_ids=ids, labels=ids, attention_mask=bias.expand(a.batch, 1, -1, -1)).loss
elif a.mechanism:
    sys.path.insert(0, golden_folder)
    import mechanisms
    mask_of, masks = mechanisms.hidden_keys, {}
    def kept_mask(p, layer, H, T):
        key = json.dumps(p, sort_keys=True, default=str), (layer if p and p["num_random_blocks"] else 0), H, T
        if key not in masks:
            masks[key] = mask_of(p, layer, H, T).to(a.device)
        return masks[key]
    mechanisms.hidden_keys = kept_mask
    c.setdefault("head_dim", c["hidden_size"] // c["num_attention_heads"])
    c.setdefault("tie_word_embeddings", False)
    if a.preset != "llama":
        c.update(mechanisms.oracle.PRESETS[a.preset])
    c["attention_mechanism"] = json.loads(a.mechanism)
    if c["attention_mechanism"]["type"] in ("mla", "collaborative", "mohsa"):
        c["num_key_value_heads"] = c["num_attention_heads"]
    P = mechanisms.random_parameters(c, torch.Generator().manual_seed(0), torch.float32)
    P = {n: p.detach().to(a.device).requires_grad_() for n, p in P.items()}
    params = list(P.values())
    def loss_of(ids):
        loss, auxiliary = mechanisms.objective(c, P, ids)
        return loss if auxiliary is None else loss + auxiliary
elif a.preset == "llama":
    from transformers import LlamaConfig, LlamaForCausalLM
    keep = {k: v for k, v in c.items() if k not in ("model_type", "architectures", "torch_dtype", "_name_or_path")}
    cfg = LlamaConfig(**keep)
    cfg._attn_implementation = a.attention
    cfg.use_cache = False
    model = LlamaForCausalLM(cfg).to(a.device)
    params = list(model.parameters())
    run = torch.compile(model) if a.compile else model
    loss_of = lambda ids: run(input_ids=ids, labels=ids).loss
else:
    sys.path.insert(0, golden_folder)
    import oracle
    c.setdefault("head_dim", c["hidden_size"] // c["num_attention_heads"])
    c.setdefault("tie_word_embeddings", False)
    c.update(oracle.PRESETS[a.preset])
    P = oracle.random_parameters(c, torch.Generator().manual_seed(0), torch.float32)
    P = {n: p.detach().to(a.device).requires_grad_() for n, p in P.items()}
    params = list(P.values())
    forward = torch.compile(oracle.forward) if a.compile else oracle.forward
    loss_of = lambda ids: oracle.next_token_loss(c, forward(c, P, ids)[0], ids)

optimizer = torch.optim.AdamW(params, lr=1e-4, weight_decay=0.1, fused=True)
times = []
for step in range(a.steps + 3):
    ids = torch.randint(0, c["vocab_size"], (a.batch, a.seq), device=a.device)
    sync(); t = time.perf_counter()
    with torch.autocast(a.device, dtype=dtype, enabled=dtype != torch.float32):
        if a.forward_only:
            with torch.no_grad():
                loss = loss_of(ids)
        else:
            loss = loss_of(ids)
    if not a.forward_only:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    sync()
    if step >= 3:
        times.append(time.perf_counter() - t)
s = statistics.median(times)
print(json.dumps(dict(peer="torch", torch=torch.__version__, preset=a.preset, mechanism=a.mechanism, dtype=a.dtype, compile=a.compile,
                      attention=a.attention, threads=a.threads, batch=a.batch, seq=a.seq,
                      tokens_per_second=round(a.batch * a.seq / s, 1), seconds_per_step=round(s, 4),
                      peak_bytes=peak_bytes(), parameters=sum(p.numel() for p in params))))
