// Every threshold of a diagnosis, each with its reason. The healthy presets, fresh, after 50 steps
// and with weights scaled by 8, stay clear of all of them.
#pragma once

#include <cstdint>

namespace lookback::thresholds {

// Standard errors below the floor at which data that cannot be predicted were seen: chance alone
// gets there once in three million.
inline constexpr double errors_below_floor = 5;

// Cached decoding against the full pass in f64, of the largest logit: both do the same sums in
// another order. Rounding gives 1e-12 at most, a position too few or too many 1e-5 at least, even
// where fresh weights make all scores nearly equal.
inline constexpr double cache_rounding = 1e-8;

// Two ways to one result in f64, of its largest number: both do the same sums, if in another order.
// What differs by more differs by another formula: the smallest mistake among the known ones, a
// mixing number of one of 16 columns, moves fresh weights by 1e-6.
inline constexpr double rounding = 1e-8;

// Logits in float32 or with products in bfloat16 beside those in doubles: a layer's numbers are
// rounded at about so many places one after the other (norm, products, rotation, scores, weights,
// sums), by half of epsilon at most and independently of each other. The factor is for norms and
// softmaxes, which enlarge what came before, by the spread of their inputs.
inline constexpr double roundings_of_a_layer = 12;
inline constexpr double format_factor = 8;

// The part of a gradient in doubles that the same in another format holds. Rounding adds noise,
// which is nearly orthogonal to it; a factor or a use that is missing changes it by tenths.
// Gradients of less than so much of the largest one's squares are rounding themselves.
inline constexpr double gradient_in_float32 = 1e-2;
inline constexpr double gradient_in_bfloat16 = 0.25;
inline constexpr double gradient_of_rounding = 1e-8;

// The same with weights so large that scores are 10^5 to 10^7: each is rounded by 10^-9, and a
// quotient of sums that nearly cancel, as linear attention's, loses some digits more. What a clamp
// or a score that is left out changes there is not small.
inline constexpr double rounding_of_large_scores = 1e-4;

// A slope of the loss, by a difference quotient in f64, beside that of backward. A loss of a few
// nats is rounded by 1e-15, which steps of 3e-4 of a weight make 1e-11: a millionth of the slope
// that counts. A use or a factor that is missing changes a slope by tenths: it is seen in slopes a
// thousand times smaller than that.
inline constexpr double slope = 1e-4;
inline constexpr double slope_that_counts = 1e-5;
// Of all parameters together, by steps of 3e-4 of a weight: the loss is rounded by 1e-15, which
// makes 3e-12, beside slopes of 1e-3 a few billionths. A hundredfold: what one small matrix of many
// loses is a ten-thousandth of the whole.
inline constexpr double slope_of_all = 1e-6;

// A step of training against the book, each number by itself: roundings of the weight, of its
// change, and of a gradient of the size of its tensor's largest, which AdamW divides by its own
// size. The gradients of both are sums of the same numbers over at most 7 micro-batches of 10
// tokens, in another order: sqrt(70) roundings, each made of a product and a sum, and 3 steps are
// added up.
inline constexpr double step_roundings = 64;
// A learning rate, in roundings of the peak: a cosine or a sine, its argument and five operations.
inline constexpr double rate_roundings = 16;

// Standard errors of the mean, of the standard deviation and of a share of a fresh tensor's
// numbers: chance gets there once in a billion, and once in ten million for tensors of a few
// numbers.
inline constexpr double errors_of_initial_weights = 6;
// A normal distribution is above it once in a billion.
inline constexpr double errors_of_a_billion = 6;

// How far the sum of a row of f32 or bf16 probabilities is from 1; logits miss it by far.
inline constexpr double sum_of_a_distribution = 1e-3;

// Of queries and of keys: makes scores of fresh weights differ by far more than thousands, so that
// a softmax puts all weight on one key.
inline constexpr float saturating = 1e6F;
// What a second softmax leaves above e / (e + t): rounding. One softmax goes beyond it by
// 1 - e / (e + 1) = 0.27 and more.
inline constexpr double second_softmax = 1e-3;

// Experts and heads that fewer of the tokens chose than this part of an even share are told of,
// with their shares: fresh routers (moh, moa; smoke; seven runs) give the least 0.15 and more.
inline constexpr double rarely_chosen = 0.1;

// A gradient well above Adam's epsilon moves any weight by about the learning rate.
inline constexpr double gradient_that_moves = 1e-5;

// A row of fewer tokens may hold one token alone, which makes all keys equal: by chance, in a small
// vocabulary.
inline constexpr std::int64_t tokens_that_differ = 4;

// Targets that begin another document with nothing between: what they cost (ln V at most, 5 to 11
// nats each) then makes up as much of the loss as a curve's noise, plateau_nats. One in two
// hundred: documents of fewer than 200 tokens. Long ones, shards and a lone file are far below.
inline constexpr double unseparated_targets = 0.005;

// Growth per layer, on the way down, of the stream's gradient times the stream. Fresh and trained
// models stay within [0.5, 2]; with all weights, norms too, times 8 the additions outgrow the
// embedding and it is 20 at most. A factor of a hundred per layer overflows f32 in 19 layers.
inline constexpr double exploding_per_layer = 100;
// A residual layer hands on all of the gradient that it is given, and adds to it.
inline constexpr double share_handed_back = 0.01;

// The stream over all layers: with all weights times 8 it grows by 3e3. Beyond this f32 loses what
// the first layers said.
inline constexpr double stream_growth = 1e7;

// A step of AdamW moves each weight by the learning rate: at 1e-3 and fresh weights of 0.02 by a
// twentieth. One that replaces the weights ten times over keeps nothing of them.
inline constexpr double step_to_weights = 10;

// One batch in other micro-batches, in f64: rounding gives 1e-12, a mean of means parts of the
// loss.
inline constexpr double accumulation_rounding = 1e-8;

// Spans that two independent texts do not share by chance. Fifty tokens of a usual tokenizer are
// some forty words, 200 bytes: two or three sentences, which nobody writes twice. Of smaller tokens
// so many as 200 bytes have: fifty bytes are half a sentence, or the beginning of a log's line.
inline constexpr std::int64_t shared_span_tokens = 50;
inline constexpr double shared_span_bytes = 200;
// What training says again and again is its form, and not a text: the prompt of every conversation,
// licenses, headers. A copy stands there once, or a few times; where all of the training data stand
// there k times (rare()), so many times k.
inline constexpr std::int64_t times_of_a_copy = 5;
// Verses and quotations come back in any text, hence a share; and one of them fills a small one,
// hence ten spans that do not overlap, 500 tokens, or half of those that validation has.
inline constexpr double shared_spans = 0.1;
inline constexpr std::int64_t spans_apart = 10;

// Standard errors by which fresh draws cost more than validation, after training on what both might
// be: rows of the same source, so without contamination chance alone gets there once in three
// million.
inline constexpr double errors_of_contamination = 5;

// Of 512 rows of an endless source all are new; of builtin:fixed an eighth.
inline constexpr double new_rows = 0.5;

// Validation costs more than training once a text is seen several times, and that is no fault. By
// heart means: a nat more at least, by far more than chance, and training at less than half.
inline constexpr double memorized_nats = 1;
inline constexpr double errors_of_a_gap = 10;
inline constexpr double memorized_share = 0.5;
// Or half of the rows and more repeated word for word, beyond what is repeated of others.
inline constexpr double repeated_rows = 0.5;
// A probe reads a text at most so often: after so few epochs no text is known by heart.
inline constexpr double epochs_of_a_probe = 4;

// What chance does once in a billion times, ln 1e9 nats away, counts as not done by chance: a
// diagnosis asks a few dozen times, and so errs once in ten million diagnoses.
inline constexpr double nats_of_chance = 20.7;
// An endless source that draws one of 64 rows again and again (builtin:fixed) is a set to be
// learned by heart, and not rows that were fed twice by mistake.
inline constexpr double rows_of_a_set = 1.0 / 64;

// A curve that stands still at a known level: its noise over a few hundred thousand tokens.
inline constexpr double plateau_nats = 0.03;

// A fresh model costs a tenth of a nat more than guessing, and a step that is too long some more: a
// nat more means that it is sure of what is wrong.
inline constexpr double nats_above_guessing = 1;
// From one line of a run to the next gradient norms fall by tens, as the model learns how frequent
// tokens are. A norm over nothing enlarges them by 1 / sqrt(rms_norm_eps), 300 to 1000, and over
// many rows of it by more.
inline constexpr double first_norm = 1000;

}  // namespace lookback::thresholds
