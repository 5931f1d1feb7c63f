#!/usr/bin/env python3
"""Draws the curves of docs/diagnosis.md: one training run of a test subject for each class of verdict.

usage: docs/curves.py LOOKBACK [OUTPUT_DIR]     (the program; default: docs/images)
Two minutes on two cores. Plain Python, no packages.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

CONFIG = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-05, "initializer_range": 0.02,
    "tie_word_embeddings": True, "hidden_act": "silu"}

# Class of verdict: preset, fault, data.
TEST_SUBJECTS = {
    "healthy": ("method1", "", "builtin:stories"),
    "no-valid-targets": ("llama", "all_zero_loss_mask", "builtin:stories"),
    "misaligned-targets": ("llama", "unshifted_labels", "builtin:stories"),
    "wrong-normalisation": ("llama", "norm_over_sequence", "builtin:stories"),
    "causal-leak": ("method1", "unmasked_recompute", "builtin:stories"),
    "cache-mismatch": ("llama", "late_cache", "builtin:stories"),
    "double-softmax": ("llama", "double_softmax_logits", "builtin:stories"),
    "frozen": ("llama", "zero_learning_rate", "builtin:stories"),
    "severed-path": ("llama", "cut_residual_stream", "builtin:markov"),
    "unregistered-parameter": ("llama", "forgotten_by_optimiser", "builtin:stories"),
    "broken-tying": ("llama", "tying_broken_on_load", "builtin:stories"),
    "exploding-gradient": ("llama", "exploding_stream", "builtin:stories"),
    "vanishing-gradient": ("llama", "vanishing_stream", "builtin:stories"),
    "accumulation-mismatch": ("llama", "mean_per_micro_batch", "builtin:stories"),
    "contamination": ("llama", "validation_in_training", "builtin:fixed"),
    "memorisation": ("llama", "fixed_training_data", "builtin:stories"),
}
STEPS = 300
COLORS = {"training": "#2563eb", "validation": "#d97706", "floor": "#6b7280"}


def train(program, name, folder):
    preset, fault, data = TEST_SUBJECTS[name]
    config = pathlib.Path(folder) / "config.json"
    config.write_text(json.dumps(CONFIG))
    run = pathlib.Path(folder) / name
    command = [program, "train", "--config", str(config), "--preset", preset, "--data", data,
               "--max-steps", str(STEPS), "--block-size", "32", "--learning-rate", "3e-3",
               "--logging-steps", "5", "--eval-steps", "30", "--threads", "1", "--quiet",
               "--output-dir", str(run)]
    if fault:
        command += ["--fault", fault]
    if name == "no-valid-targets":  # its evaluation has nothing to score and ends the run
        command += ["--eval-steps", str(STEPS)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0 and name != "no-valid-targets":
        sys.exit(result.stderr)
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def curves_of(lines):
    curves = {"training": [], "validation": [], "floor": []}
    for line in lines:
        for name, key in (("training", "loss"), ("validation", "validation_loss"),
                          ("floor", "floor")):
            if key in line:
                curves[name].append((line["step"], line[key]))
    return {name: points for name, points in curves.items() if points}


def svg(name, curves):
    width, height, left, top, bottom = 640, 260, 48, 30, 34
    highest = max(value for points in curves.values() for _, value in points) * 1.05 or 1.0

    def place(point):
        step, value = point
        x = left + (width - left - 12) * step / STEPS
        y = height - bottom - (height - top - bottom) * value / highest
        return f"{x:.1f},{y:.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             f'<text x="{left}" y="18" font-weight="bold" fill="#111827">{name}</text>']
    for i in range(5):
        value = highest * i / 4
        y = place((0, value)).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{width - 12}" y1="{y}" y2="{y}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end" '
                     f'fill="#374151">{value:.2f}</text>')
    for step in range(0, STEPS + 1, 100):
        x = place((step, 0)).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - 16}" text-anchor="middle" '
                     f'fill="#374151">{step}</text>')
    parts.append(f'<text x="{width - 12}" y="{height - 3}" text-anchor="end" '
                 'fill="#374151">step; nats per token</text>')
    for i, (curve, points) in enumerate(curves.items()):
        dashes = ' stroke-dasharray="5 4"' if curve == "floor" else ""
        parts.append(f'<polyline fill="none" stroke="{COLORS[curve]}" stroke-width="2"{dashes} '
                     f'points="{" ".join(map(place, points))}"/>')
        parts.append(f'<text x="{width - 250 + 90 * i}" y="18" '
                     f'fill="{COLORS[curve]}">{curve}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    default = pathlib.Path(__file__).parent / "images"
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else default
    with tempfile.TemporaryDirectory() as folder:
        for name in TEST_SUBJECTS:
            curves = curves_of(train(program, name, folder))
            (output / f"curve-{name}.svg").write_text(svg(name, curves))
            last = {curve: round(points[-1][1], 3) for curve, points in curves.items()}
            print(name, last, flush=True)


main()
