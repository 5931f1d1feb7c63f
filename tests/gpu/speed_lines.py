"""How fast it is: the lines that are wanted most, and so come first."""
import csv
import io
import json
import re

from google_tests import run_tests
from line import Failed, Unverified, line, tool


def train(bench, config, batch, block, *more):
    return bench.ours("bench", "train", "--device", "cuda", "--dtype", "bfloat16", "--config",
                      bench.config(config), "--batch-size", batch, "--block-size", block, *more)


@line("smoke", "smoke_tests", 60, "a product, norms, attention by warpgroups, captured steps")
def smoke_tests(bench):
    return run_tests(
        bench, "MatmulIntoBf16*:CornersOnGpu.Rows*:AttentionOnGpu/*.Agrees*:StepOnGpu.*", least=15)


def train_line(config, batch, block):
    name = f"train_{config}"

    @line("speed", name, 60, f"a bf16 step of llama-{config}, {batch} x {block} tokens, recorded")
    def run(bench):
        result = train(bench, config, batch, block, "--steps", 12)
        figures = [bench.figure(f"{name} {each}", result[each])
                   for each in ("tokens_per_second", "model_flops_utilisation")]
        if not result["recorded"]:
            raise Failed(f"the step was not recorded: {json.dumps(result)}")
        return {"status": "measured", "figures": figures, **result}


train_line("124m", 32, 1024)
train_line("0.5b", 8, 2048)
train_line("1.4b", 4, 2048)


@line("speed", "queued_0.5b", 40, "the step of llama-0.5b, queued kernel by kernel")
def queued(bench):
    result = train(bench, "0.5b", 8, 2048, "--steps", 6, "--no-cuda-graphs")
    recorded = bench.results.get("train_0.5b", {}).get("tokens_per_second")
    more = {"of_recorded": result["tokens_per_second"] / recorded} if recorded else {}
    return {"status": "measured", **result, **more,
            "figures": [bench.figure("queued_0.5b tokens_per_second", result["tokens_per_second"])]}


@line("speed", "attention", 40, "causal attention by itself in bf16, 8 x 16 heads x 2048")
def attention(bench):
    shapes = bench.ours("bench", "attention", "--device", "cuda", "--dtype", "bfloat16",
                        "--batch-size", 8, "--block-size", 2048)["attention"]
    figures = []
    for each in shapes:
        head_size = re.findall(r"\d+", each["shape"])[-1]
        figures += [bench.figure(f"attention {head_size} {name}", each[name])
                    for name in ("forward_tflops", "forward_and_backward_tflops")]
    return {"status": "measured", "figures": figures, "shapes": shapes}


def shorter(kernel):
    """A kernel's name without what all of them share."""
    shared = r"\(anonymous namespace\)::|<unnamed>::|lookback::(kernels|device)::"
    kernel = re.sub(shared, "", kernel)
    kernel = re.sub(r"^void run_kernel<(.*)>\(.*\)$", r"\1", kernel)
    return kernel.split("(")[0][:100].strip()


def profile_of(text):
    """ncu's rows, one per launch and metric, as one entry per kernel, the slowest first."""
    rows = [row for row in text.splitlines() if row.startswith('"')]
    launches = {}
    for row in csv.DictReader(io.StringIO("\n".join(rows))):
        launch = launches.setdefault(row["ID"], {"name": shorter(row["Kernel Name"])})
        launch[row["Metric Name"]] = float(row["Metric Value"].replace(",", ""))
    kernels = {}
    for launch in launches.values():
        kernel = kernels.setdefault(launch["name"], {"kernel": launch["name"], "launches": 0,
                                                     "microseconds": 0, "megabytes": 0, "hits": 0})
        kernel["launches"] += 1
        kernel["microseconds"] += launch["gpu__time_duration.sum"] / 1e3
        kernel["megabytes"] += launch["dram__bytes.sum"] / 1e6
        kernel["hits"] += launch["lts__t_sector_hit_rate.pct"]
    for kernel in kernels.values():
        kernel["l2_hit_percent"] = kernel.pop("hits") / kernel["launches"]
        kernel["gbps"] = kernel["megabytes"] / kernel["microseconds"] * 1e3
    return sorted(kernels.values(), key=lambda kernel: -kernel["microseconds"])


@line("profile", "kernels", 90, "time, bytes and L2 hits of each kernel of a step (ncu)")
def kernels(bench):
    ncu = tool("ncu")
    config = json.loads(bench.config("0.5b").read_text())
    config["num_hidden_layers"] = 4
    short = bench.output / "llama-0.5b-4-layers.json"
    short.write_text(json.dumps(config))
    table = bench.output / "kernels.csv"
    table.unlink(missing_ok=True)
    try:
        bench.run([ncu, "--clock-control", "none", "--launch-skip", 900, "--launch-count", 350,
                   "--metrics", "gpu__time_duration.sum,dram__bytes.sum,lts__t_sector_hit_rate.pct",
                   "--print-units", "base", "--csv", "--log-file", table, bench.program, "bench",
                   "train", "--device", "cuda", "--dtype", "bfloat16", "--config", short,
                   "--batch-size", 8, "--block-size", 2048, "--steps", 1, "--no-cuda-graphs"])
    except Failed as error:
        said = str(error) + (table.read_text() if table.exists() else "")
        if "ERR_NVGPUCTRPERM" in said:
            raise Unverified("ncu may not read counters here: ERR_NVGPUCTRPERM") from None
        raise
    try:
        found = profile_of(table.read_text())
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise Failed(f"ncu wrote no table that can be read: {error!r}") from None
    if not found:
        raise Failed("ncu saw no kernel")
    return {"status": "measured", "kernels": found[:40],
            "microseconds": sum(each["microseconds"] for each in found)}


@line("profile", "operations", 60, "each operation of a step of llama-0.5b, by the stream's events")
def operations(bench):
    found = bench.ours("bench", "ops", "--device", "cuda", "--dtype", "bfloat16", "--config",
                       bench.config("0.5b"), "--batch-size", 8, "--block-size", 2048, "--steps", 3)
    for each in found["operations"]:
        each["seconds_per_step"] = each["seconds"] * each["calls"]
    slowest = sorted(found["operations"], key=lambda each: -each["seconds_per_step"])
    return {"status": "measured", "operations": slowest[:40],
            "seconds_per_step": sum(each["seconds_per_step"] for each in slowest)}


@line("products", "products", 60, "cuBLAS at the shapes of the models, two ways to call it")
def products(bench):
    found = []
    for row in bench.run([bench.probe]).out.splitlines():
        try:
            found.append(json.loads(row))
        except ValueError:
            raise Failed(f"{bench.probe.name} wrote no JSON: {row[:200]}") from None
    best = {}
    for each in found:
        if "tflops" in each and each.get("expected"):
            name = f"products {each['expected']} tflops"
            best[name] = max(best.get(name, 0), each["tflops"])
    if not best:
        raise Failed(f"{bench.probe.name} measured no product")
    return {"status": "measured", "products": found,
            "figures": [bench.figure(name, value) for name, value in best.items()]}


@line("yardstick", "torch_0.5b", 120, "the step of llama-0.5b in PyTorch, compiled")
def torch(bench):
    ended = bench.run([bench.python, bench.root / "tests" / "bench" / "torch_step.py",
                       bench.config("0.5b"), "--batch", 8, "--seq", 2048, "--dtype", "bfloat16",
                       "--device", "cuda", "--compile", "--steps", 12], allowed=(0, 1))
    if "ModuleNotFoundError" in ended.err:
        raise Unverified(f"{bench.python}: {ended.err.strip().splitlines()[-1]}")
    try:
        theirs = json.loads(ended.out.splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"wrote no JSON: {ended.tail()}") from None
    ours = train(bench, "0.5b", 8, 2048, "--steps", 12)["tokens_per_second"]
    return {"status": "measured", "torch": theirs["tokens_per_second"], "ours": ours,
            "ratio": ours / theirs["tokens_per_second"]}
