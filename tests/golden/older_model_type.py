#!/usr/bin/env python3
"""Gives a file of oracle.py the config of a checkpoint that was made before there were keys for the
variants: plain Llama keys, and a model_type that says the rest.

    older_model_type.py FILE.safetensors MODEL_TYPE
"""
import json
import sys

import oracle


def main():
    path, model_type = sys.argv[1:]
    tensors, metadata = oracle.load(path)
    config = json.loads(metadata["config"])
    for key in ("cross_layer_residual", "score_accumulation"):
        config.pop(key, None)
    config["model_type"] = model_type
    metadata["config"] = json.dumps(config)
    oracle.save(path, tensors, metadata)


if __name__ == "__main__":
    main()
