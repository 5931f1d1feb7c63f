// Types whose heads share what they compare. collaborative: all heads have the same queries and
// keys, of which each weighs the columns (Cordonnier et al. 2020). mohsa: each head also sees some
// columns of its neighbors' queries, keys and values (Zhang et al. 2024).
#include "apps/diagnosis/reference/attention.h"
#include "apps/diagnosis/reference/positions.h"

namespace lookback::reference {
namespace {

class CollaborativeAttention final : public Attention {
 public:
  using Attention::Attention;

  double score_width() const override {
    return static_cast<double>(options().key_query_dim) / static_cast<double>(heads());
  }

 protected:
  Heads queries(const Matrix& n) const override {
    const auto shared = blocks(n, "q");
    Heads all;
    for (std::size_t h = 0; h < heads(); ++h) {
      Matrix q(n.rows(), shared.columns() + (has_content_bias() ? 1 : 0));
      for (std::size_t t = 0; t < q.rows(); ++t) {
        for (std::size_t d = 0; d < shared.columns(); ++d) q(t, d) = shared(t, d) * mixing(h, d);
        if (has_content_bias()) q(t, shared.columns()) = 1;
      }
      all.push_back(q);
    }
    return all;
  }

  // With biases the score gains what the key's token alone says to each head, in a column more.
  Heads keys(const Matrix& n) const override {
    const auto shared = blocks(n, "k");
    if (!has_content_bias()) return Heads(heads(), shared);
    const auto content = linear(n, "content_bias");
    Heads all;
    for (std::size_t h = 0; h < heads(); ++h) {
      Matrix k(n.rows(), shared.columns() + 1);
      for (std::size_t t = 0; t < k.rows(); ++t) {
        for (std::size_t d = 0; d < shared.columns(); ++d) k(t, d) = shared(t, d);
        k(t, shared.columns()) = content(t, h);
      }
      all.push_back(k);
    }
    return all;
  }

 private:
  bool has_content_bias() const { return weights().has(name("content_bias.weight")); }

  // What head h multiplies column d by: with rotary positions one number for the two columns of a
  // pair, which lie half a block of head_dim apart.
  double mixing(std::size_t h, std::size_t d) const {
    const auto all = weights().values(name("mixing"));
    if (options().positions != "rope") return all[h * options().key_query_dim + d];
    const auto width = config().head_dim, half = width / 2;
    return all[h * options().key_query_dim / 2 + d / width * half + d % width % half];
  }

  Matrix blocks(const Matrix& n, const std::string& which) const {
    const auto x = normed(clipped(linear(n, which + "_proj")), which);
    if (options().positions != "rope") return x;
    auto parts = split(x, options().key_query_dim / config().head_dim);
    for (auto& part : parts) part = turned_by_position(part);
    return join(parts);
  }
};

class OverlappingAttention final : public Attention {
 public:
  using Attention::Attention;

  double score_width() const override {
    return static_cast<double>(config().head_dim + 2 * options().overlap_dim);
  }
  Heads values(const Matrix& n) const override { return widened(Attention::values(n)); }

 protected:
  Heads queries(const Matrix& n) const override { return turned(widened(projected(n, "q"))); }
  Heads keys(const Matrix& n) const override { return turned(widened(projected(n, "k"))); }

 private:
  // Head h of [h dk - overlap, (h + 1) dk + overlap) of all heads side by side; zeros outside.
  Heads widened(const Heads& x) const {
    const auto all = join(x);
    const auto dk = config().head_dim, overlap = options().overlap_dim;
    Heads wide;
    for (std::size_t h = 0; h < x.size(); ++h) {
      Matrix y(all.rows(), dk + 2 * overlap);
      for (std::size_t t = 0; t < y.rows(); ++t) {
        for (std::size_t d = 0; d < y.columns(); ++d) {
          const auto column = h * dk + d;  // of all heads, `overlap` further on
          const bool inside = column >= overlap && column < all.columns() + overlap;
          if (inside) y(t, d) = all(t, column - overlap);
        }
      }
      wide.push_back(y);
    }
    return wide;
  }

  Heads turned(Heads x) const {
    for (auto& head : x) head = turned_by_position(head);
    return x;
  }
};

}  // namespace

std::unique_ptr<Attention> make_collaborative(const Config& config, const Weights& weights,
                                              std::size_t layer) {
  return std::make_unique<CollaborativeAttention>(config, weights, layer);
}

std::unique_ptr<Attention> make_overlapping(const Config& config, const Weights& weights,
                                            std::size_t layer) {
  return std::make_unique<OverlappingAttention>(config, weights, layer);
}

}  // namespace lookback::reference
