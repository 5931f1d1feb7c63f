"""Whether it is right: tests, reference files, runs beside the CPU's."""
import json
import pathlib
import tempfile

from google_tests import run_tests
from line import Failed, Unverified, line, tool


@line("correctness", "verify", 60, "every reference file of tests/golden, in its own dtype")
def verify(bench):
    files = sorted(path for path in (bench.root / "tests" / "golden").glob("*.safetensors")
                   if not path.name.startswith("transformers"))
    if not files:
        raise Failed(f"there are no reference files in {bench.root / 'tests' / 'golden'}")
    found = bench.ours("verify", "--device", "cuda", *files, allowed=(0, 3))["files"]
    failed = [each["file"] for each in found if not each["passed"]]
    if len(found) != len(files) or failed:
        raise Failed(f"{len(failed)} of {len(found)} files failed, {len(files)} were to be looked "
                     f"at: {', '.join(failed)}")
    return {"status": "passed", "files": len(files)}


@line("correctness", "tests", 150, "every operation's test, the models' and the kernels'")
def tests(bench):
    return run_tests(bench, "*Gpu*:*cuda*:-ProgramOnGpu*:*RepeatedAttentionOnGpu*", least=500)


@line("correctness", "repetition", 60, "attention of many blocks: the same bits fifty times")
def repetition(bench):
    return run_tests(bench, "*RepeatedAttentionOnGpu*", least=15)


def train(bench, folder, device, steps):
    bench.run([bench.program, "train", "--config", "smoke", "--preset", "method1", "--data",
               "builtin:stories", "--device", device, "--max-steps", steps, "--batch-size", 4,
               "--block-size", 128, "--logging-steps", 1, "--eval-steps", steps, "--output-dir",
               folder, "--quiet"])
    try:
        lines = [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]
        return [row["loss"] for row in lines if "loss" in row]
    except (OSError, ValueError):
        raise Failed(f"{folder.name}: no metrics.jsonl that can be read") from None


@line("correctness", "same_bits", 40, "two runs of 30 steps: the same losses and the same model")
def same_bits(bench):
    with tempfile.TemporaryDirectory() as name:
        folders = [pathlib.Path(name) / each for each in ("once", "again")]
        losses = [train(bench, folder, "cuda", 30) for folder in folders]
        models = [(folder / "model.safetensors").read_bytes() for folder in folders]
    if len(losses[0]) != 30 or losses[0] != losses[1]:
        raise Failed(f"the losses differ: {losses[0][-1:]} and {losses[1][-1:]}")
    if models[0] != models[1]:
        raise Failed("the losses are the same and the models differ")
    return {"status": "passed", "loss": losses[0][-1]}


@line("correctness", "loss_curve", 90, "200 steps in f32 beside the CPU's")
def loss_curve(bench):
    with tempfile.TemporaryDirectory() as name:
        here = train(bench, pathlib.Path(name) / "cpu", "cpu", 200)
        there = train(bench, pathlib.Path(name) / "cuda", "cuda", 200)
    apart = [abs(a - b) / b for a, b in zip(there, here)]
    result = {"largest": max(apart, default=0),
              "largest_of_the_first_20": max(apart[:20], default=0)}
    if len(apart) != 200 or result["largest"] >= 2e-2 or result["largest_of_the_first_20"] >= 1e-4:
        raise Failed(f"{len(apart)} losses, apart by {result['largest']:.2e} at most", result)
    return {"status": "passed", **result}


@line("memcheck", "memcheck", 120, "compute-sanitizer's memcheck, blocks being exact and fresh")
def memcheck(bench):
    sanitizer = tool("compute-sanitizer")
    try:
        return run_tests(
            bench, "AttentionOnGpu/bfloat16.*:StepOnGpu.Cap*:LinearCrossEntropyOnGpu*", least=10,
            before=[sanitizer, "--tool", "memcheck", "--target-processes", "all",
                    "--error-exitcode", "9"],
            environment={"LOOKBACK_CUDA_EXACT_ALLOCATIONS": "1"})
    except Failed as error:
        if "Device not supported" in str(error):
            raise Unverified(f"compute-sanitizer does not run here: {error}") from None
        raise
