#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

// What each head vector x[b, t, h, :] of all pieces holds, [B, T, H].
class HeadSets {
 public:
  explicit HeadSets(const InList& pieces)
      : rows_(pieces.front().size(1)), heads_(pieces.front().size(2)) {
    sets_.resize(static_cast<std::size_t>(pieces.front().size(0) * rows_ * heads_));
    for (const auto& piece : pieces) {
      const Cells cells(piece);
      const auto starts = offsets_over(piece, 0, 3);
      for (std::size_t i = 0; i < sets_.size(); ++i) {
        for (std::int64_t d = 0; d < piece.size(3); ++d) {
          sets_[i] |= cells.set(starts[i] + d * piece.stride(3));
        }
      }
    }
  }
  SourceSet at(std::int64_t batch, std::int64_t row, std::int64_t head) const {
    return sets_[static_cast<std::size_t>((batch * rows_ + row) * heads_ + head)];
  }

 private:
  std::int64_t rows_, heads_;
  std::vector<SourceSet> sets_;
};

// The scores of one call: what a row's normalization depends on.
class Scores {
 public:
  Scores(const InList& q, const InList& k, const In& scales, const ScoreForm& form,
         const CausalMaskView& visible)
      : queries_(q),
        keys_(k),
        everywhere_(union_of(scales)),
        form_(form),
        key_count_(k.front().size(1)),
        group_(q.front().size(2) / std::max<std::int64_t>(1, k.front().size(2))),
        mask_(visible.rule()) {}

  // Calls body(s) for each key that the mask shows to a row of a head.
  template <class Body>
  void for_each_key(std::int64_t batch, std::int64_t row, std::int64_t head,
                    const Body& body) const {
    const auto range = mask_.keys_of(batch, row, key_count_);
    for (auto s = range.first; s < range.last; ++s) {
      if (shows(batch, row, head, s)) body(s);
    }
  }
  bool shows(std::int64_t batch, std::int64_t row, std::int64_t head, std::int64_t key) const {
    return mask_.visible(batch, head, row, key, key_count_);
  }
  // One row over all keys shown to it.
  SourceSet row(std::int64_t batch, std::int64_t t, std::int64_t head) const {
    auto set = everywhere_ | queries_.at(batch, t, head);
    if (form_.slopes.present()) set |= Cells(form_.slopes).set(head * form_.slopes.stride(0));
    bool sees_something = false;
    for_each_key(batch, t, head, [&](std::int64_t s) {
      set |= keys_.at(batch, s, head / group_);
      sees_something = true;
    });
    return sees_something ? set : SourceSet{0};
  }
  std::int64_t key_head(std::int64_t head) const { return head / group_; }

 private:
  HeadSets queries_, keys_;
  SourceSet everywhere_;
  const ScoreForm& form_;
  std::int64_t key_count_, group_;
  VisibleKeys mask_;
};

void write_attended(const AttendCall& call, const Scores& scores, std::int64_t batch,
                    std::int64_t t, std::int64_t head, SourceSet row) {
  const Cells v(call.v), y(call.y);
  const auto values = batch * call.v.stride(0) + scores.key_head(head) * call.v.stride(2);
  const auto out = batch * call.y.stride(0) + t * call.y.stride(1) + head * call.y.stride(2);
  for (std::int64_t d = 0; d < call.y.size(3); ++d) {
    auto set = row;
    scores.for_each_key(batch, t, head, [&](std::int64_t s) {
      set |= v.set(values + s * call.v.stride(1) + d * call.v.stride(3));
    });
    y.depend(out + d * call.y.stride(3), set);
  }
}

}  // namespace

void run(const AttendCall& call, const OnCpu&) {
  const Scores scores(call.q, call.k, call.scales, call.form, call.mask);
  const auto& q = call.q.front();
  for (std::int64_t batch = 0; batch < q.size(0); ++batch) {
    for (std::int64_t t = 0; t < q.size(1); ++t) {
      for (std::int64_t head = 0; head < q.size(2); ++head) {
        auto row = scores.row(batch, t, head);
        const auto place = [&](const Operand& x) {
          return batch * x.stride(0) + head * x.stride(1) + t * x.stride(2);
        };
        if (call.given_log_sum_exp.present()) {
          row |= Cells(call.given_log_sum_exp).set(place(call.given_log_sum_exp));
        }
        if (call.log_sum_exp.present()) {
          Cells(call.log_sum_exp).depend(place(call.log_sum_exp), row);
        }
        write_attended(call, scores, batch, t, head, row);
      }
    }
  }
}

void run(const AttendWeightsCall& call, const OnCpu&) {
  const Scores scores(call.q, call.k, call.scales, call.form, call.mask);
  const Cells y(call.y);
  for (std::int64_t batch = 0; batch < call.y.size(0); ++batch) {
    for (std::int64_t head = 0; head < call.y.size(1); ++head) {
      for (std::int64_t t = 0; t < call.y.size(2); ++t) {
        const auto row = scores.row(batch, t, head);
        const auto out = batch * call.y.stride(0) + head * call.y.stride(1) + t * call.y.stride(2);
        for (std::int64_t s = 0; s < call.y.size(3); ++s) {
          const auto at = out + s * call.y.stride(3);
          if (scores.shows(batch, t, head, s)) {
            y.depend(at, row);
          } else {
            y.become(at, 0);
          }
        }
      }
    }
  }
}

void run(const SelectVisibleCall& call, const OnCpu&) {
  const Cells x(call.x), y(call.y);
  const auto mask = call.mask.rule();
  const int rank = call.y.rank();
  const auto rows = call.y.size(-2), keys = call.y.size(-1);
  const auto matrices_in = offsets_over(call.x, 0, rank - 2);
  const auto matrices_out = offsets_over(call.y, 0, rank - 2);
  const auto sequences = rank > 2 ? call.y.size(0) : 1;
  const auto per_sequence =
      static_cast<std::int64_t>(matrices_out.size()) / std::max<std::int64_t>(1, sequences);
  for (std::size_t matrix = 0; matrix < matrices_out.size(); ++matrix) {
    const auto sequence = static_cast<std::int64_t>(matrix) / per_sequence;
    const auto head = static_cast<std::int64_t>(matrix) % per_sequence;
    for (std::int64_t t = 0; t < rows; ++t) {
      for (std::int64_t s = 0; s < keys; ++s) {
        const auto in = matrices_in[matrix] + t * call.x.stride(-2) + s * call.x.stride(-1);
        const auto out = matrices_out[matrix] + t * call.y.stride(-2) + s * call.y.stride(-1);
        if (!mask.visible(sequence, head, t, s, keys)) {
          y.become(out, call.hidden);
        } else if (x.known(in)) {
          y.become(out, x.value(in));
        } else {
          y.depend(out, x.set(in));
        }
      }
    }
  }
}

}  // namespace lookback::kernels::taint
