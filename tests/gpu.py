#!/usr/bin/env python3
"""What only a GPU can show: see gpu.sh. Each line is a function below; its result is
{"status": "passed" | "failed" | "measured" | "unverified", ...}."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "tests" / "bench"
GPU_TESTS = "*Gpu*:*cuda*"
SECONDS_IN_ALL = 460


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the built lookback")
    parser.add_argument("--tests", required=True, help="the built lookback_tests")
    parser.add_argument("--output", default="gpu.json")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--only", action="append", help="names of lines")
    return parser.parse_args()


class Failed(Exception):
    pass


def run(command, seconds=240, allowed=(0,)):
    print("  " + " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=seconds)
    if done.returncode not in allowed:
        tail = (done.stdout + done.stderr).strip().splitlines()[-4:]
        raise Failed(f"exit code {done.returncode}: " + " | ".join(tail))
    return done


def ours(o, *arguments, **more):
    return json.loads(run([o.program, *arguments, "--json"], **more).stdout)


def verify(o):
    """Every reference file of tests/golden, in the dtype it was made in."""
    files = sorted(path for path in (ROOT / "tests" / "golden").glob("*.safetensors")
                   if not path.name.startswith("transformers"))
    result = ours(o, "verify", "--device", "cuda", *files, allowed=(0, 3))
    failed = [each["file"] for each in result["files"] if not each["passed"]]
    return {"status": "failed" if failed else "passed", "files": len(files), "failed": failed}


def operation_tests(o):
    """Every operation's test, the models' and the kernels', on the GPU."""
    done = run([o.tests, f"--gtest_filter={GPU_TESTS}", "--gtest_brief=1"], allowed=(0, 1))
    last = [line for line in done.stdout.splitlines() if "FAILED" in line or "PASSED" in line]
    return {"status": "passed" if done.returncode == 0 else "failed", "output": last[-12:]}


def sanitizer(tool, filter_of_tests):
    def line(o):
        if shutil.which("compute-sanitizer") is None:
            return {"status": "unverified", "reason": "compute-sanitizer is not installed"}
        done = run(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", o.tests,
                    f"--gtest_filter={filter_of_tests}", "--gtest_brief=1"], allowed=(0, 1, 9))
        summary = [l for l in done.stdout.splitlines() if "ERROR SUMMARY" in l or "hazard" in l]
        return {"status": "passed" if done.returncode == 0 else "failed", "output": summary[-4:]}
    line.__doc__ = f"compute-sanitizer --tool {tool} over {filter_of_tests}"
    return line


def train(o, folder, device, steps, *more):
    run([o.program, "train", "--config", "smoke", "--preset", "method1", "--data",
         "builtin:stories", "--device", device, "--max-steps", steps, "--batch-size", 4,
         "--block-size", 128, "--logging-steps", 1, "--eval-steps", steps, "--output-dir", folder,
         "--quiet", *more])
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def same_bits(o):
    """Two runs of 30 steps give the same losses and the same model, to the bit."""
    with tempfile.TemporaryDirectory() as name:
        folders = [pathlib.Path(name) / each for each in ("once", "again")]
        losses = [train(o, folder, "cuda", 30) for folder in folders]
        models = [(folder / "model.safetensors").read_bytes() for folder in folders]
    same = losses[0] == losses[1] and models[0] == models[1]
    return {"status": "passed" if same else "failed"}


def loss_curve(o):
    """200 steps in f32 on the GPU beside the CPU: the largest relative difference of a loss."""
    with tempfile.TemporaryDirectory() as name:
        here = train(o, pathlib.Path(name) / "cpu", "cpu", 200)
        there = train(o, pathlib.Path(name) / "cuda", "cuda", 200)
    apart = [abs(a - b) / b for a, b in zip(there, here)]
    return {"status": "passed" if max(apart) < 2e-2 and max(apart[:20]) < 1e-4 else "failed",
            "largest": max(apart), "largest_of_the_first_20": max(apart[:20])}


def step_beside_torch(preset, config, batch, block):
    def line(o):
        mine = [o.program, "bench", "train", "--device", "cuda", "--config",
                BENCH / f"llama-{config}.json", "--preset", preset, "--batch-size", batch,
                "--block-size", block, "--dtype", "bfloat16", "--steps", 20, "--json"]
        theirs = [o.python, BENCH / "torch_step.py", BENCH / f"llama-{config}.json",
                  "--preset", preset, "--batch", batch, "--seq", block, "--dtype", "bfloat16",
                  "--device", "cuda", "--compile", "--steps", 20]
        pairs = [(json.loads(run(mine).stdout), json.loads(run(theirs).stdout.splitlines()[-1]))
                 for _ in range(3)]
        speed = [statistics.median(pair[i]["tokens_per_second"] for pair in pairs) for i in (0, 1)]
        return {"status": "measured", "tokens_per_second": speed[0], "torch": speed[1],
                "ratio": speed[0] / speed[1],
                "model_flops_utilisation":
                    statistics.median(pair[0]["model_flops_utilisation"] for pair in pairs)}
    line.__doc__ = f"A bf16 step of {preset}, {config}, batch {batch} x {block}, beside PyTorch compiled"
    return line


def bench(what, *more):
    def line(o):
        return {"status": "measured", **ours(o, "bench", what, "--device", "cuda", "--dtype",
                                             "bfloat16", *more)}
    line.__doc__ = f"bench {what} in bf16"
    return line


LINES = {
    "verify": verify,
    "operation_tests": operation_tests,
    "memcheck": sanitizer("memcheck", "*OnGpu*MatchesTheCpuInDouble*"),
    "racecheck": sanitizer("racecheck", "*OnGpu*TheSameBitsTwice*"),
    "initcheck": sanitizer("initcheck", "*ModelOnGpu*"),
    "same_bits": same_bits,
    "loss_curve": loss_curve,
    "step_llama_124m": step_beside_torch("llama", "124m", 8, 1024),
    "step_method1_124m": step_beside_torch("method1", "124m", 8, 1024),
    "gemm": bench("gemm"),
    "ops": bench("ops"),
    "attention": bench("attention", "--batch-size", 4, "--block-size", 2048),
}


def why_no_gpu():
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver here"
    found = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, text=True)
    return "" if found.returncode == 0 and "GPU" in found.stdout else "no GPU here"


def main():
    o = options()
    reason = why_no_gpu()
    start = time.monotonic()
    report = {"gpu": None, "lines": {}}
    if not reason:
        report["gpu"] = run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total",
                             "--format=csv,noheader"]).stdout.strip()
    for name, line in LINES.items():
        if o.only and name not in o.only:
            continue
        if reason or time.monotonic() - start > SECONDS_IN_ALL:
            result = {"status": "unverified", "reason": reason or "no time left"}
        else:
            try:
                result = line(o)
            except (Failed, subprocess.TimeoutExpired, KeyError, ValueError, OSError) as error:
                result = {"status": "failed", "reason": str(error)}
        report["lines"][name] = {"what": line.__doc__, **result}
        pathlib.Path(o.output).write_text(json.dumps(report, indent=1) + "\n")
        print(f"{result['status']:10} {name}", flush=True)
    failed = [name for name, each in report["lines"].items() if each["status"] == "failed"]
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
