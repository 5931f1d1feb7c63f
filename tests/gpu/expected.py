"""What each figure was estimated at before anything had run on a GPU: from bytes over bandwidth,
products at the rates that cuBLAS is known for, and the machine code of the attention kernels. A
figure that is off by more than 1.3 is the first thing to look into.

By GPU, then by figure: the least and the most that was expected."""

EXPECTED = {
    "H100": {
        "copy_gbps": (2950, 2950),  # 0.88 of the data sheet
        "train_124m tokens_per_second": (278e3, 278e3),
        "train_124m model_flops_utilisation": (0.22, 0.22),
        "train_0.5b tokens_per_second": (114e3, 114e3),
        "train_0.5b model_flops_utilisation": (0.34, 0.34),
        "train_1.4b tokens_per_second": (49e3, 49e3),
        "train_1.4b model_flops_utilisation": (0.42, 0.42),
        "attention 64 forward_tflops": (190, 190),
        "attention 64 forward_and_backward_tflops": (150, 150),
        "attention 128 forward_tflops": (220, 260),
        "attention 128 forward_and_backward_tflops": (220, 220),
    },
    "H200": {
        "copy_gbps": (4220, 4220),
        "train_124m tokens_per_second": (300e3, 330e3),
        "train_124m model_flops_utilisation": (0.26, 0.26),
        "train_0.5b tokens_per_second": (125e3, 140e3),
        "train_0.5b model_flops_utilisation": (0.39, 0.39),
        "train_1.4b tokens_per_second": (52e3, 58e3),
        "train_1.4b model_flops_utilisation": (0.47, 0.47),
        "attention 64 forward_tflops": (190, 220),
        "attention 64 forward_and_backward_tflops": (150, 170),
        "attention 128 forward_tflops": (250, 310),
        "attention 128 forward_and_backward_tflops": (220, 260),
    },
}
# Products of the layers by their model, and of the vocabulary where its rows are not aligned.
PRODUCTS_TFLOPS = {"124m": (610, 610), "0.5b": (690, 690), "1.4b": (740, 740),
                   "unaligned": (200, 400)}
for each in EXPECTED.values():
    each.update({f"products {name} tflops": span for name, span in PRODUCTS_TFLOPS.items()})


def gpu_of(description):
    """The key of EXPECTED that this GPU's name holds; None where nothing was estimated for it."""
    return next((name for name in EXPECTED if name in description), None)


def beside_expectation(description, name, value):
    """The figure with what was expected of it on this GPU, and how many times that it is."""
    figure = {"name": name, "value": value}
    span = EXPECTED.get(gpu_of(description), {}).get(name)
    if span is not None:
        figure["expected"] = list(span)
        figure["ratio"] = value / (sum(span) / 2)
    return figure
