#!/usr/bin/env python3
"""Two processes of one thread each: Lookback beside PyTorch's DDP, itself, and MPI's own sum.

    python3 several_ranks.py --program BUILD/bin/lookback --python INTERPRETER_WITH_TORCH
        [--pairs 3] [--steps 8] [--only smoke|tiny|lanes|collectives]...

Everything in turn, in one run: A B A B A B, medians and their ratios, as a Markdown table. As root
Open MPI wants OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BATCH, BLOCK = 4, 256
MPIRUN = ["mpirun.openmpi", "--oversubscribe"]


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", required=True, help="a Python with torch and transformers")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--only", action="append", choices=["smoke", "tiny", "lanes", "collectives"])
    chosen = parser.parse_args()
    chosen.only = chosen.only or ["smoke", "tiny", "lanes", "collectives"]
    return chosen


def last_json(command, threads):
    print("  " + " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    if done.returncode != 0:
        sys.exit(f"several_ranks.py: exit code {done.returncode}")
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


def trained(o, folder, config, micro_batches, lanes, ranks, threads):
    """Tokens per second of a run, its first steps left out."""
    run = folder / "run"
    command = [o.program, "train", "--config", HERE / f"llama-{config}.json",
               "--data", folder / f"{config}.bin", "--bin-dtype", "uint16", "--output-dir", run,
               "--overwrite", "--batch-size", BATCH, "--block-size", BLOCK,
               "--gradient-accumulation-steps", micro_batches, "--gradient-lanes", lanes,
               "--max-steps", o.steps + 3, "--logging-steps", 1, "--eval-batches", 1, "--quiet",
               "--json"]
    if ranks > 1:
        command = MPIRUN + ["-n", ranks] + command
    last_json(command, threads)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(line["tokens_per_second"] for line in lines[3:]
                             if "tokens_per_second" in line)


def write_tokens(folder, config):
    vocabulary = json.loads((HERE / f"llama-{config}.json").read_text())["vocab_size"]
    draw = random.Random(0)
    tokens = [draw.randrange(vocabulary) for _ in range(200_000)]
    (folder / f"{config}.bin").write_bytes(struct.pack(f"<{len(tokens)}H", *tokens))


def row(name, ours, theirs):
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"| {name} | {a:,.4g} | {b:,.4g} | {a / b:.2f} |", flush=True)


def table(title, ours, theirs):
    print(f"\n{title}\n\n| | {ours} | {theirs} | ratio |\n| --- | --- | --- | --- |", flush=True)


def beside_torch(o, folder, config):
    ours, torch, alone = [], [], []
    for _ in range(o.pairs):
        ours.append(trained(o, folder, config, 2, 2, ranks=2, threads=1))
        torch.append(last_json([o.python, "-m", "torch.distributed.run", "--nproc-per-node", 2,
                                HERE / "ddp_step.py", HERE / f"llama-{config}.json", "--batch",
                                BATCH, "--seq", BLOCK, "--steps", o.steps], 1)["tokens_per_second"])
    for _ in range(o.pairs):
        alone.append((trained(o, folder, config, 8, 8, ranks=2, threads=1),
                      trained(o, folder, config, 8, 8, ranks=1, threads=2)))
    table(f"{config}, tokens/s, 2 ranks x 1 thread", "Lookback", "the other")
    row("beside PyTorch DDP over gloo, one micro-batch each", ours, torch)
    row("beside one process x 2 threads, M = 8", *zip(*alone))


def lanes_alone(o, folder):
    pairs = [(trained(o, folder, "smoke", 8, 8, 1, 2), trained(o, folder, "smoke", 8, 1, 1, 2))
             for _ in range(o.pairs)]
    table("smoke, tokens/s, one process, M = 8", "R = 8", "R = 1")
    row("lanes", *zip(*pairs))


def collectives(o, folder):
    yardstick = folder / "reduce_scatter_block"
    subprocess.run(["mpicc.openmpi", "-O2", HERE / "reduce_scatter_block.c", "-o", yardstick],
                   check=True)
    table("Sum of gradients of tiny, seconds, each rank its part", "Lookback's, in order",
          "MPI_Reduce_scatter_block")
    for ranks in (2, 4):
        ours, theirs = [], []
        for _ in range(o.pairs):
            bench = last_json(MPIRUN + ["-n", ranks, o.program, "bench", "collectives", "--config",
                                        HERE / "llama-tiny.json", "--json"], 1)
            ours.append(bench["sum_of_gradients_seconds"])
            theirs.append(last_json(MPIRUN + ["-n", ranks, yardstick, bench["parameters"], 8],
                                    1)["seconds"])
        row(f"{ranks} ranks", ours, theirs)


def main():
    o = options()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for config in ("smoke", "tiny"):
            write_tokens(folder, config)
        for config in ("smoke", "tiny"):
            if config in o.only:
                beside_torch(o, folder, config)
        if "lanes" in o.only:
            lanes_alone(o, folder)
        if "collectives" in o.only:
            collectives(o, folder)


if __name__ == "__main__":
    main()
