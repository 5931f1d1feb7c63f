#!/usr/bin/env python3
"""Lookback beside PyTorch, in turn, in one run: A B A B A B, medians and their ratio.

    python3 compare.py --program BUILD/bin/lookback --python INTERPRETER_WITH_TORCH
        [--pairs 3] [--steps 8] [--threads N] [--only gemm|smoke|tiny|124m]...

The yardstick is torch_step.py beside this file. Prints Markdown tables; figures of different runs
do not belong side by side.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = ["gemm", "smoke", "tiny", "124m"]
BATCH_SIZE, BLOCK_SIZE = 4, 256


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the lookback program")
    parser.add_argument("--python", required=True, help="a Python with torch and transformers")
    parser.add_argument("--pairs", type=int, default=3, help="at least 3")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="append", choices=WORKLOADS,
                        help="default: gemm, smoke and tiny")
    chosen = parser.parse_args()
    if chosen.pairs < 3:
        parser.error("--pairs must be at least 3: fewer say nothing on a shared machine")
    chosen.only = chosen.only or ["gemm", "smoke", "tiny"]
    return chosen


def run_json(command):
    print("  " + " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"compare.py: exit code {done.returncode} from: {' '.join(map(str, command))}")
    return json.loads(done.stdout)


def in_turn(o, *commands):
    """The commands one after the other, o.pairs times over: a list of results for each."""
    rounds = [[run_json(command) for command in commands] for _ in range(o.pairs)]
    return [list(results) for results in zip(*rounds)]


def ours(o, *arguments):
    return [o.program, "bench", *arguments, "--threads", o.threads, "--json"]


def theirs(o, *arguments):
    return [o.python, HERE / "torch_step.py", *arguments, "--threads", o.threads]


def median(results, *keys):
    values = []
    for value in results:
        for key in keys:
            value = value[key]
        values.append(value)
    return statistics.median(values)


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def compare_gemm(o):
    machine, a, b = in_turn(o, ours(o, "machine"), ours(o, "gemm"), theirs(o, "--gemm"))
    peak = median(machine, "fma_gflops")
    print(f"\nMeasured peak {peak:.0f} GF/s f32 ({machine[0]['isa']}), "
          f"triad {median(machine, 'triad_gbps'):.1f} GB/s.\n")
    print(f"| f32 product, M x N x K | Lookback GF/s | of the peak | PyTorch {b[0]['torch']} GF/s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for shape in a[0]["gflops"]:
        x, y = median(a, "gflops", shape), median(b, "gflops", shape)
        print(f"| {shape} | {x:.0f} | {x / peak:.2f} | {y:.0f} | {x / y:.2f} |")


def compare_step(o, name):
    a, b = in_turn(o,
                   ours(o, "train", "--config", name, "--batch-size", BATCH_SIZE,
                        "--block-size", BLOCK_SIZE, "--steps", o.steps),
                   theirs(o, HERE / f"llama-{name}.json", "--batch", BATCH_SIZE,
                          "--seq", BLOCK_SIZE, "--steps", o.steps))
    if a[0]["parameters"] != b[0]["parameters"]:
        sys.exit(f"compare.py: {name} has {a[0]['parameters']} parameters here and "
                 f"{b[0]['parameters']} in PyTorch")
    print(f"\n| llama-{name}, B{BATCH_SIZE} T{BLOCK_SIZE}, f32 | Lookback | PyTorch {b[0]['torch']} "
          "| ratio |")
    print("| --- | ---: | ---: | ---: |")
    for label, key, scale in [("tokens per second", "tokens_per_second", 1),
                              ("largest resident size, MB", "peak_bytes", 1e6)]:
        x, y = median(a, key), median(b, key)
        print(f"| {label} | {x / scale:.0f} | {y / scale:.0f} | {x / y:.2f} |")


def main():
    o = options()
    print(f"{cpu_name()}, {o.threads} threads, medians of {o.pairs} runs of each in turn.")
    for workload in o.only:
        compare_gemm(o) if workload == "gemm" else compare_step(o, workload)


if __name__ == "__main__":
    main()
