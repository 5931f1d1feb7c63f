#!/usr/bin/env python3
"""Stands in for lookback, lookback_tests, gemm_probe and the tools of a GPU (by the name it is
started under), so that the harness can be tested without any: answers as they do, or misbehaves as
STAND_IN says, {"train 0.5b": "hang", ...}."""
import json
import os
import pathlib
import subprocess
import sys
import time

NAME = pathlib.Path(sys.argv[0]).name
ARGUMENTS = sys.argv[1:]
PLAN = json.loads(os.environ.get("STAND_IN", "{}"))


def value_of(flag):
    for at, each in enumerate(ARGUMENTS):
        if each == flag:
            return ARGUMENTS[at + 1]
        if each.startswith(flag + "="):
            return each[len(flag) + 1:]
    return ""


def misbehave(how):
    if how == "hang":  # with a child, and one in a session of its own
        for new_session in (False, True):
            child = subprocess.Popen(["sleep", "600"], start_new_session=new_session)
            with open(os.environ["STAND_IN_PIDS"], "a") as pids:
                print(child.pid, file=pids, flush=True)
        time.sleep(600)
    if how == "leaves a child":
        child = subprocess.Popen(["sleep", "600"])
        with open(os.environ["STAND_IN_PIDS"], "a") as pids:
            print(child.pid, file=pids, flush=True)
    if how == "fail":
        print("lookback: error: it went wrong", file=sys.stderr)
        sys.exit(1)
    if how == "garbage":
        print("this is \x00 no JSON {")
        sys.exit(0)
    if how == "other JSON":
        print('{"tokens": []}' if NAME != "lookback_tests" else "[]")
        sys.exit(0)
    if how == "killed":
        print("[ RUN      ] StepOnGpu.DiesHere", flush=True)
        os.kill(os.getpid(), 11)


def google_test(how):
    count = {"matches nothing": 0, "few": 3}.get(how, 700)
    cases = [{"classname": "SomeOnGpu", "name": f"Test{i}", "status": "RUN", "result": "COMPLETED"}
             for i in range(count)]
    if how == "one fails":
        cases[5]["failures"] = [{"failure": "1 is not 2"}]
    if how == "one is skipped":
        cases[7]["result"] = "SKIPPED"
    if how != "no report":
        pathlib.Path(value_of("--gtest_output").partition(":")[2]).write_text(
            json.dumps({"testsuites": [{"testsuite": cases}] if cases else []}))
    sys.exit(1 if how in ("one fails", "fails at the end") else 0)


def train_run():
    folder = pathlib.Path(value_of("--output-dir"))
    folder.mkdir()
    steps = int(value_of("--max-steps"))
    drift = 1e-3 if PLAN.get("run " + value_of("--device")) == "drift" else 0
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": i, "loss": 5 + drift - i / 1e3}) + "\n" for i in range(steps)))
    (folder / "model.safetensors").write_bytes(
        os.urandom(8) if PLAN.get("run " + value_of("--device")) == "other bits" else b"model")


def lookback():
    what = ARGUMENTS[:2] if ARGUMENTS[0] == "bench" else ARGUMENTS[:1]
    config = pathlib.Path(value_of("--config")).stem.removeprefix("llama-")
    key = " ".join([*what[-1:], config] if what[-1] == "train" and len(what) == 2 else what[-1:])
    if "--no-cuda-graphs" in ARGUMENTS:
        key = key.replace("train", "queued")
    misbehave(PLAN.get(key))
    if what == ["train"]:
        return train_run()
    answers = {
        "machine": {"device": "NVIDIA H200, sm_90, 139.8 GiB", "code": "machine code of sm_90a",
                    "f32_gflops": 5e4, "bf16_gflops": 7e5, "copy_gbps": 4220},
        "attention": {"attention": [{"shape": f"(8, 2048, 16, {size})", "forward_tflops": 280,
                                     "forward_and_backward_tflops": 100} for size in (64, 128)]},
        "ops": {"operations": [{"name": "rope", "shape": "", "calls": 40, "seconds": 1e-4},
                               {"name": "matmul_forward", "shape": "", "calls": 10,
                                "seconds": 1e-3}]},
        "verify": {"passed": True,
                   "files": [{"file": each, "passed": PLAN.get("verify") != "one fails"}
                             for each in ARGUMENTS if each.endswith(".safetensors")]},
    }
    speed = {"train 124m": 315e3, "train 0.5b": 100e3, "train 1.4b": 55e3}
    if key.startswith(("train", "queued")):
        answers[key] = {"tokens_per_second": speed.get(key, 1e5), "seconds_per_step": 0.1,
                        "recorded": PLAN.get(key) != "not recorded", "model_flops_utilisation": 0.3}
    if key == "machine" and PLAN.get(key) == "no GPU":
        print("lookback: error: --device cuda: there is no NVIDIA driver here", file=sys.stderr)
        sys.exit(2)
    print(json.dumps(answers[key]))


def profiler():
    misbehave(PLAN.get("ncu"))
    if PLAN.get("ncu") == "no permission":
        pathlib.Path(value_of("--log-file")).write_text("==ERROR== ERR_NVGPUCTRPERM - The user\n")
        sys.exit(1)
    names = "gpu__time_duration.sum", "dram__bytes.sum", "lts__t_sector_hit_rate.pct"
    kernel = ("void lookback::device::run_kernel<lookback::kernels::(anonymous namespace)::"
              "Rotate<float>>(lookback::kernels::Rotate)")
    rows = ["==PROF== Connected", '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"']
    for launch in range(3):
        for name, value in zip(names, ("2,000", "4,000,000", "50")):
            rows.append(f'"{launch}","{kernel}","{name}","","{value}"')
    pathlib.Path(value_of("--log-file")).write_text("\n".join(rows) + "\n")


def main():
    if NAME == "nvidia-smi":
        print("GPU 0: NVIDIA H200" if "-L" in ARGUMENTS else "1980, 3201, 650.5, 61")
    elif NAME == "ncu":
        profiler()
    elif NAME == "compute-sanitizer":
        at = next(i for i, each in enumerate(ARGUMENTS) if "lookback_tests" in each)
        if os.environ.get("LOOKBACK_CUDA_EXACT_ALLOCATIONS") != "1":
            sys.exit("its blocks are not exact")
        os.execv(ARGUMENTS[at], ARGUMENTS[at:])
    elif NAME == "python_with_torch":
        misbehave(PLAN.get("torch"))
        if PLAN.get("torch") == "not installed":
            sys.exit("ModuleNotFoundError: No module named 'torch'")
        print("compiling\n" + json.dumps({"tokens_per_second": 200e3}))
    elif NAME == "gemm_probe":
        misbehave(PLAN.get("probe"))
        print(json.dumps({"call": "lt", "expected": "124m", "tflops": 600}))
        print(json.dumps({"call": "batched", "expected": "124m", "tflops": 300}))
    elif NAME == "lookback_tests":
        repeated = value_of("--gtest_filter").startswith("*Repeated")
        kind = "repetition" if repeated else "tests"
        misbehave(PLAN.get(kind))
        google_test(PLAN.get(kind))
    else:
        lookback()


main()
