#include "apps/diagnosis/verdict.h"

#include <array>

namespace lookback {
namespace {

using enum Verdict;

constexpr std::array classes{
    VerdictClass{not_deterministic, "not-deterministic",
                 "The same call, made twice, gives other numbers.",
                 "Look at what the named operation reads beside its inputs: random numbers, memory "
                 "that was never written, the order in which threads end."},
    VerdictClass{non_finite, "non-finite",
                 "A number in the forward or backward pass is NaN or infinite.",
                 "Look at the first operation that is named and at the ranges of its inputs."},
    VerdictClass{no_valid_targets, "no-valid-targets",
                 "No target of a batch counts, so its loss is 0 by definition.",
                 "Look at the loss mask and at what sets targets to -100."},
    VerdictClass{misaligned_targets, "misaligned-targets",
                 "Targets are not the next tokens of their own document.",
                 "Shift labels once, in one place; count only targets that are scored; close every "
                 "document with a separator."},
    VerdictClass{wrong_normalisation, "wrong-normalisation",
                 "A norm takes its statistics over positions.",
                 "Normalize over the features of each position."},
    VerdictClass{
        causal_leak, "causal-leak", "A position sees tokens that come after it.",
        "Mask the operation that is named: exclude later keys, do not add a large number."},
    VerdictClass{rows_mixed, "rows-mixed",
                 "A sequence is computed otherwise where others stand beside it in the batch.",
                 "Look at what reads the place of a row, or what is shared by all of them."},
    VerdictClass{paths_disagree, "paths-disagree",
                 "Two ways of computing the same thing give different numbers.",
                 "Look at what depends on the length of the sequence, or on how it is run."},
    VerdictClass{
        cache_mismatch, "cache-mismatch",
        "Decoding with a cache computes something else than the full forward pass.",
        "Look at the position handed to the rotary embedding and at where keys are stored."},
    VerdictClass{double_softmax, "double-softmax",
                 "Something that is a distribution already passes a softmax.",
                 "Hand logits to the loss, and scores to the softmax."},
    VerdictClass{frozen, "frozen", "No parameter changes.",
                 "Look at the learning rate and at whether gradients reach the parameters."},
    VerdictClass{wrong_step, "wrong-step", "A step of training is not the one of the book.",
                 "Look at the part that is named: the rate, clipping, the moments and their "
                 "corrections, decay, or gradients that were not cleared."},
    VerdictClass{severed_path, "severed-path",
                 "A path of the model that ought to carry values or gradients is cut.",
                 "Look for a detach, or for a sum that replaces the residual stream."},
    VerdictClass{unregistered_parameter, "unregistered-parameter",
                 "A parameter does not learn while others of its layer do.",
                 "Register it, hand it to the optimizer, and do not detach it."},
    VerdictClass{broken_tying, "broken-tying", "Weights that the config ties are two tensors.",
                 "Tie again after loading."},
    VerdictClass{exploding_gradient, "exploding-gradient", "Gradients grow from layer to layer.",
                 "Look at the initialization and at what scales the residual stream."},
    VerdictClass{vanishing_gradient, "vanishing-gradient",
                 "Gradients die out on their way to the first layers.",
                 "Look at the initialization and at what scales the residual stream."},
    VerdictClass{wrong_gradient, "wrong-gradient", "A gradient is not the derivative of the loss.",
                 "Hold the backward pass of what the named parameter goes through against its "
                 "forward pass."},
    VerdictClass{accumulation_mismatch, "accumulation-mismatch",
                 "The same batch in other micro-batches has another loss or gradient.",
                 "Divide the sum over all micro-batches by all valid targets."},
    VerdictClass{wrong_data, "wrong-data",
                 "What is fed and scored is not the data, each part as often as it ought to be.",
                 "Look at how rows are drawn, and at where evaluation begins and ends a row."},
    VerdictClass{contamination, "contamination", "Validation data hold training data.",
                 "Split by documents, and look for repeated ones."},
    VerdictClass{memorisation, "memorisation",
                 "The model repeats its training data: its loss falls there alone.",
                 "More data, fewer steps, or a smaller model."},
    VerdictClass{not_the_named_model, "not-the-named-model",
                 "All ways of running the model agree, and its config describes another one.",
                 "Hold the layer that is named against the formula of its mechanism."},
    VerdictClass{incomplete, "incomplete",
                 "Nothing wrong was found, but not everything could be checked.",
                 "Look at the check that is named and at its error: it may be the fault."},
    VerdictClass{healthy, "healthy", "All checks passed.", "Nothing to mend."},
};

}  // namespace

std::span<const VerdictClass> verdict_classes() { return classes; }

const VerdictClass& class_of(Verdict verdict) { return classes[static_cast<std::size_t>(verdict)]; }

}  // namespace lookback
