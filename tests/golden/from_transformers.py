#!/usr/bin/env python3
"""A reference file in oracle.py's format, made by a model of transformers itself.

    from_transformers.py OUT.safetensors [--model-type NAME] [--seed N] [--tie] [--bias] [--head-dim N]
                         [--rope-scaling JSON] [--key KEY=JSON ...]

NAME: llama (the default), mistral, qwen2, qwen3, deepseek_v2, deepseek_v3. --key: a key of its config.
Weights and products are float64; the library casts norms, softmax, rotary positions and the loss to
float32, so the numbers agree with float64 arithmetic to about 1e-6 of their size.
`trace.hidden.<L>` is the input of the final norm: the library's own last hidden state comes after
it.
"""
import argparse
import json

import torch
from transformers import AutoConfig, AutoModelForCausalLM

import oracle

# What the classes have beside a Llama's keys, small; MLPs dense in all layers.
LATENT = dict(num_key_value_heads=4, q_lora_rank=10, kv_lora_rank=7, qk_nope_head_dim=6,
              qk_rope_head_dim=4, v_head_dim=5, first_k_dense_replace=3)
OWN_KEYS = {
    "llama": {},
    "mistral": dict(sliding_window=5),
    "qwen2": dict(use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen3": dict(head_dim=8),
    "deepseek_v2": LATENT,
    "deepseek_v3": LATENT,
}


def make_model(a):
    keys = dict(
        vocab_size=31, hidden_size=24, intermediate_size=40, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5,
        tie_word_embeddings=a.tie, attn_implementation="eager",
        rope_scaling=json.loads(a.rope_scaling) if a.rope_scaling else None)
    if a.head_dim:
        keys["head_dim"] = a.head_dim
    if a.bias:
        keys.update(attention_bias=True, mlp_bias=a.model_type in ("llama", "deepseek_v2"))
    keys.update(OWN_KEYS[a.model_type])
    keys.update({k: json.loads(v) for k, v in (pair.split("=", 1) for pair in a.key)})
    config = AutoConfig.for_model(a.model_type, **keys)
    model = AutoModelForCausalLM.from_config(config).double()
    generator = torch.Generator().manual_seed(a.seed)
    with torch.no_grad():
        for parameter in model.parameters():   # so that no gradient is zero or symmetric
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    ids = torch.randint(0, config.vocab_size, (2, 12), generator=generator)
    return model, ids


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--head-dim", type=int, default=None)
    ap.add_argument("--rope-scaling", default="")
    ap.add_argument("--tie", action="store_true")
    ap.add_argument("--bias", action="store_true")
    ap.add_argument("--model-type", default="llama", choices=list(OWN_KEYS))
    ap.add_argument("--key", nargs="*", default=[])
    a = ap.parse_args()

    torch.manual_seed(a.seed)
    model, ids = make_model(a)
    last = []
    model.model.norm.register_forward_pre_hook(lambda module, inputs: last.append(inputs[0]))
    result = model(ids, labels=ids, output_attentions=True, output_hidden_states=True)
    result.loss.backward()

    tensors = {"input_ids": ids, "out.logits": result.logits, "out.loss": result.loss.double()}
    for name, parameter in model.named_parameters():
        tensors["param." + name] = parameter
        tensors["grad." + name] = parameter.grad
    for layer, weights in enumerate(result.attentions):
        tensors[f"trace.attn.{layer}"] = weights
    for layer, hidden in enumerate((*result.hidden_states[:-1], last[0])):
        tensors[f"trace.hidden.{layer}"] = hidden
    metadata = {"config": model.config.to_json_string(use_diff=False), "preset": a.model_type,
                "seed": str(a.seed), "format": "pt"}
    oracle.save(a.out, tensors, metadata)
    print(f"{a.out}: loss {result.loss.item():.7f}")


if __name__ == "__main__":
    main()
