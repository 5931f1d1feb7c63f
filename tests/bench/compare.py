#!/usr/bin/env python3
"""Lookback beside PyTorch, in turn, in one run: A B A B A B, medians and their ratio.

    python3 compare.py --program BUILD/bin/lookback --python INTERPRETER_WITH_TORCH
        [--pairs 3] [--steps 8] [--threads N]
        [--only gemm|smoke|tiny|124m|company|variants|mechanisms|patterns]...

The yardstick is torch_step.py beside this file. Prints Markdown tables; figures of different runs
do not belong side by side.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = ["gemm", "smoke", "tiny", "124m", "company", "variants", "mechanisms", "patterns"]
BATCH_SIZE, BLOCK_SIZE = 4, 256
# Preset, batch and block size, on llama-smoke.
VARIANTS = [("llama", 4, 256), ("method1", 4, 256), ("method2", 4, 256), ("method3.2", 4, 256),
            ("stored3", 4, 256), ("method5.1", 4, 256), ("method5.6", 4, 256),
            ("llama", 1, 2048), ("method1", 1, 2048), ("method5.1", 1, 2048)]


LONG = (1, 2048)
WINDOW = "sliding-window"


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the lookback program")
    parser.add_argument("--python", required=True, help="a Python with torch and transformers")
    parser.add_argument("--pairs", type=int, default=3, help="at least 3")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="append", choices=WORKLOADS,
                        help="default: gemm, smoke, tiny and variants")
    chosen = parser.parse_args()
    if chosen.pairs < 3:
        parser.error("--pairs must be at least 3: fewer say nothing on a shared machine")
    chosen.only = chosen.only or ["gemm", "smoke", "tiny", "variants"]
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


def row(label, a, b):
    x, y = median(a, "tokens_per_second"), median(b, "tokens_per_second")
    u, v = median(a, "peak_bytes") / 1e6, median(b, "peak_bytes") / 1e6
    print(f"| {label} | {x:.0f} | {y:.0f} | {x / y:.2f} | {u:.0f} | {v:.0f} | {u / v:.2f} |",
          flush=True)


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


def train_step(o, name, preset="llama", batch=BATCH_SIZE, block=BLOCK_SIZE):
    """The results of a training step, ours and theirs."""
    a, b = in_turn(o,
                   ours(o, "train", "--config", name, "--preset", preset, "--batch-size", batch,
                        "--block-size", block, "--steps", o.steps),
                   theirs(o, HERE / f"llama-{name}.json", "--preset", preset, "--batch", batch,
                          "--seq", block, "--steps", o.steps))
    if a[0]["parameters"] != b[0]["parameters"]:
        sys.exit(f"compare.py: {name} {preset} has {a[0]['parameters']} parameters here and "
                 f"{b[0]['parameters']} in PyTorch")
    return a, b


def compare_step(o, name):
    a, b = train_step(o, name)
    print(f"\n| llama-{name}, B{BATCH_SIZE} T{BLOCK_SIZE}, f32 | Lookback | PyTorch {b[0]['torch']} "
          "| ratio |")
    print("| --- | ---: | ---: | ---: |")
    for label, key, scale in [("tokens per second", "tokens_per_second", 1),
                              ("largest resident size, MB", "peak_bytes", 1e6)]:
        x, y = median(a, key), median(b, key)
        print(f"| {label} | {x / scale:.0f} | {y / scale:.0f} | {x / y:.2f} |")


@contextlib.contextmanager
def busy_processes(count):
    """So many that each keep a core busy, for as long as the block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def compare_company(o):
    """The speed beside two busy processes a core, of which a fair share is a third of the quiet."""
    quiet = train_step(o, "smoke")
    with busy_processes(2 * len(os.sched_getaffinity(0))):
        beside = train_step(o, "smoke")
    print("\n| llama-smoke, f32, tokens per second | quiet | beside two busy processes a core | share |")
    print("| --- | ---: | ---: | ---: |")
    for name, alone, shared in zip(["Lookback", "PyTorch"], quiet, beside):
        x, y = median(alone, "tokens_per_second"), median(shared, "tokens_per_second")
        print(f"| {name} | {x:.0f} | {y:.0f} | {y / x:.2f} |")


def compare_variants(o):
    print("\n| llama-smoke, f32 | Lookback tokens/s | PyTorch tokens/s | ratio "
          "| Lookback MB | PyTorch MB | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for preset, batch, block in VARIANTS:
        a, b = train_step(o, "smoke", preset, batch, block)
        row(f"{preset}, B{batch} T{block}", a, b)


def mechanisms(o):
    """The attention_mechanism of each preset that has one, at the sizes of llama-smoke."""
    listed = json.loads(subprocess.run([o.program, "presets", "--json", "--quiet"],
                                       stdout=subprocess.PIPE, text=True, check=True).stdout)
    found = {each["name"]: each["config"].get("attention_mechanism") for each in listed["presets"]}
    return {name: {"type": "causal", **value} for name, value in found.items() if value}


def mechanism_step(o, mechanism, batch, block):
    """PyTorch's command: the model of tests/golden/mechanisms.py, written by hand."""
    return theirs(o, HERE / "llama-smoke.json", "--mechanism", json.dumps(mechanism),
                  "--batch", batch, "--seq", block, "--steps", o.steps)


def our_step(o, preset, batch, block):
    return ours(o, "train", "--config", "smoke", "--preset", preset, "--batch-size", batch,
                "--block-size", block, "--steps", o.steps)


def compare_mechanisms(o):
    print(f"\n| llama-smoke, f32, B{BATCH_SIZE} T{BLOCK_SIZE} | Lookback tokens/s "
          "| PyTorch tokens/s | ratio | Lookback MB | PyTorch MB | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, mechanism in mechanisms(o).items():
        a, b = in_turn(o, our_step(o, name, BATCH_SIZE, BLOCK_SIZE),
                       mechanism_step(o, mechanism, BATCH_SIZE, BLOCK_SIZE))
        if a[0]["parameters"] != b[0]["parameters"]:
            sys.exit(f"compare.py: {name} has {a[0]['parameters']} parameters here and "
                     f"{b[0]['parameters']} in PyTorch")
        row(name, a, b)


def compare_patterns(o):
    """Long rows: a window beside PyTorch twice, linear attention beside our own plain one."""
    mechanism = mechanisms(o)[WINDOW]
    by_hand = mechanism_step(o, mechanism, *LONG)
    window, plain, linear, hand, masked = in_turn(
        o, our_step(o, WINDOW, *LONG), our_step(o, "llama", *LONG), our_step(o, "linear", *LONG),
        by_hand, [*by_hand, "--attention", "sdpa-mask"])
    print(f"\n| llama-smoke, f32, B{LONG[0]} T{LONG[1]} | tokens/s | MB |")
    print("| --- | ---: | ---: |")
    for label, results in [("Lookback, window 128", window), ("Lookback, plain attention", plain),
                           ("Lookback, linear attention", linear),
                           ("PyTorch, window 128, by hand", hand),
                           ("PyTorch, window 128, scaled_dot_product_attention", masked)]:
        print(f"| {label} | {median(results, 'tokens_per_second'):.0f} "
              f"| {median(results, 'peak_bytes') / 1e6:.0f} |")
    core = ["attention", "--batch-size", 1, "--block-size", LONG[1]]
    full, local = in_turn(o, ours(o, *core), ours(o, *core, "--preset", WINDOW))
    print("\n| attention by itself, T2048, 16 heads of 64 | keys per query | forward, ms "
          "| forward and backward, ms |")
    print("| --- | ---: | ---: | ---: |")
    for label, results in [("plain", full), ("window 128", local)]:
        shapes = [each["attention"][0] for each in results]
        print(f"| {label} | {shapes[0]['keys_per_query']:.1f} "
              f"| {median(shapes, 'forward_seconds') * 1e3:.1f} "
              f"| {median(shapes, 'forward_and_backward_seconds') * 1e3:.1f} |")


def main():
    o = options()
    print(f"{cpu_name()}, {o.threads} threads, medians of {o.pairs} runs of each in turn.")
    by_name = {"gemm": compare_gemm, "company": compare_company, "variants": compare_variants,
               "mechanisms": compare_mechanisms, "patterns": compare_patterns}
    for workload in o.only:
        if workload in by_name:
            by_name[workload](o)
        else:
            compare_step(o, workload)


if __name__ == "__main__":
    main()
