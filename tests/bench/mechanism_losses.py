#!/usr/bin/env python3
"""The measurements of docs/mechanisms.md, with the lookback program alone.

    python3 mechanism_losses.py --program BUILD/bin/lookback --folder FOLDER [--threads N]
        losses --text tinyshakespeare.txt   validation loss after equal steps, each mechanism
        convert                             heads pooled, and trained on for 5 % of the steps
        budget [--figure FILE.svg]          loss above the floor, by the tokens a cache keeps

Prints a Markdown table. Models are those of llama-small.json beside this file, seed 0; runs go into
FOLDER, and one that is there and done is not run again. Losses do not hang on the machine's load.
"""
import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MECHANISMS = ["llama", "mla", "collaborative", "mohsa", "moh", "moa", "dcmha", "linear",
              "sliding-window", "dilated", "longformer", "bigbird", "alibi", "softcap",
              "qk-rms-norm-per-head"]
STORIES_STEPS, UPTRAINING_STEPS = 400, 20
BUDGETS = [8, 16, 32, 64, 128]
COLORS = ["#2563eb", "#d97706"]


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["losses", "convert", "budget"])
    parser.add_argument("--program", required=True, help="the lookback program")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="where runs go")
    parser.add_argument("--text", type=pathlib.Path, help="of losses: tinyshakespeare.txt")
    parser.add_argument("--figure", type=pathlib.Path, help="of budget: where its curves go")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.what == "losses" and chosen.text is None:
        parser.error("losses needs --text FILE")
    return chosen


def run(o, *arguments):
    command = [str(word) for word in [o.program, *arguments, "--threads", o.threads, "--json"]]
    print("  " + " ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"mechanism_losses.py: exit code {done.returncode} from: {' '.join(command)}")
    return json.loads(done.stdout)


def train(o, name, steps, *arguments):
    """What train told of FOLDER/name, from the run that is there or from a new one."""
    told = o.folder / f"{name}.json"
    if not told.exists():
        result = run(o, "train", "--max-steps", steps, "--eval-steps", steps, "--batch-size", 8,
                     "--output-dir", o.folder / name, "--overwrite", "--quiet", *arguments)
        told.write_text(json.dumps(result))
    return json.loads(told.read_text())


def train_on_stories(o):
    train(o, "stories", STORIES_STEPS, "--config", HERE / "llama-small.json", "--data",
          "builtin:stories", "--block-size", 128)
    return o.folder / "stories"


def loss_of(o, folder, *arguments):
    return run(o, "eval", folder, *arguments)


def losses(o):
    print("| preset | parameters | validation loss |\n| --- | ---: | ---: |")
    for preset in MECHANISMS:
        told = train(o, preset, 200, "--config", HERE / "llama-small.json", "--preset", preset,
                     "--data", o.text, "--block-size", 128)
        print(f"| {preset} | {told['parameters']:,} | {told['validation_loss']:.3f} |", flush=True)


def convert(o):
    stories = train_on_stories(o)
    before = loss_of(o, stories)["loss"]
    print("| key/value heads | each new head | before | right after | trained on |")
    print("| --- | --- | ---: | ---: | ---: |")
    for heads in [2, 1]:
        for init in ["mean", "first"]:
            pooled = o.folder / f"pooled-{heads}-{init}"
            if not pooled.exists():
                run(o, "convert", stories, "--num-key-value-heads", heads, "--key-value-init", init,
                    "--output-dir", pooled)
            after = loss_of(o, pooled, "--data", "builtin:stories", "--block-size", 128)["loss"]
            name = f"trained-{heads}-{init}"
            train(o, name, UPTRAINING_STEPS, "--init-from", pooled, "--data", "builtin:stories",
                  "--block-size", 128)
            print(f"| {heads} | {init} | {before:.3f} | {after:.3f} "
                  f"| {loss_of(o, o.folder / name)['loss']:.3f} |", flush=True)


def figure(rows, names):
    """Curves of [tokens kept, a loss of each name] as SVG."""
    width, height, left, bottom = 640, 260, 48, 230
    highest = 1.05 * max(max(losses) for _, *losses in rows)

    def place(i, loss):
        return (f"{left + (width - left - 24) * i / (len(rows) - 1):.1f},"
                f"{bottom - (bottom - 30) * loss / highest:.1f}")

    text = '<text x="{}" y="{}" text-anchor="{}" fill="{}">{}</text>'.format
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for i in range(5):
        y = place(0, highest * i / 4).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{width - 12}" y1="{y}" y2="{y}" stroke="#e5e7eb"/>')
        parts.append(text(left - 6, float(y) + 4, "end", "#374151", f"{highest * i / 4:.2f}"))
    for i, (kept, *_) in enumerate(rows):
        parts.append(text(place(i, 0).split(",")[0], 244, "middle", "#374151", kept))
    parts.append(text(width - 12, 257, "end", "#374151", "tokens kept; nats above the floor"))
    for k, name in enumerate(names):
        points = " ".join(place(i, row[1 + k]) for i, row in enumerate(rows))
        parts.append(f'<polyline fill="none" stroke="{COLORS[k]}" stroke-width="2" '
                     f'points="{points}"/>')
        parts.append(text(left + 130 * k, 18, "start", COLORS[k], name))
    return "\n".join(parts + ["</svg>"]) + "\n"


def budget(o):
    stories = train_on_stories(o)
    policies = {"streaming_llm": lambda n: ["--num-sink-tokens", 4, "--recent-size", n - 4],
                "h2o": lambda n: ["--heavy-hitter-size", n // 2, "--recent-size", n // 2]}
    print("| tokens kept | " + " | ".join(policies) + " |\n| ---: | ---: | ---: |")
    rows = []
    for kept in BUDGETS:
        rows.append([kept])
        for policy, sizes in policies.items():
            told = loss_of(o, stories, "--cache-policy", policy, *sizes(kept))
            rows[-1].append(told["loss"] - told["floor"])
        shown = " | ".join(f"{loss:.3f}" for loss in rows[-1][1:])
        print(f"| {kept} | {shown} |", flush=True)
    if o.figure is not None:
        o.figure.write_text(figure(rows, list(policies)))


def main():
    o = options()
    o.folder.mkdir(parents=True, exist_ok=True)
    {"losses": losses, "convert": convert, "budget": budget}[o.what](o)


if __name__ == "__main__":
    main()
