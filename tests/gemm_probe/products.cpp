#include "tests/gemm_probe/products.h"

namespace lookback::probe {
namespace {

// y [tokens, out] = x [tokens, in] w [out, in]^T, and its two gradients, all row-major.
void add_linear(std::vector<Product>& all, const std::string& name, const std::string& expected,
                std::int64_t tokens, std::int64_t in, std::int64_t out) {
  all.push_back({.name = name + " forward",
                 .expected = expected,
                 .a = Operand::transposed,
                 .m = out,
                 .n = tokens,
                 .k = in});
  all.push_back({.name = name + " dx", .expected = expected, .m = in, .n = tokens, .k = out});
  all.push_back({.name = name + " dw",
                 .expected = expected,
                 .b = Operand::transposed,
                 .m = in,
                 .n = out,
                 .k = tokens});
}

}  // namespace

std::vector<Product> products_of_models(std::int64_t tokens) {
  struct Model {
    std::string name;
    std::int64_t width, mlp_width, vocabulary;
  };
  const Model models[] = {
      {"124m", 768, 2048, 50257}, {"0.5b", 1280, 3456, 32000}, {"1.4b", 2048, 5632, 32000}};
  std::vector<Product> all;
  for (const auto& model : models) {
    add_linear(all, model.name + " attention", model.name, tokens, model.width, model.width);
    add_linear(all, model.name + " mlp_up", model.name, tokens, model.width, model.mlp_width);
    add_linear(all, model.name + " mlp_down", model.name, tokens, model.mlp_width, model.width);
    const bool is_aligned = model.vocabulary % 8 == 0;
    add_linear(all, model.name + " vocabulary", is_aligned ? model.name : "unaligned", tokens,
               model.width, model.vocabulary);
  }
  // What padding would gain.
  add_linear(all, "124m vocabulary padded to 50304", "", tokens, 768, 50304);
  return all;
}

}  // namespace lookback::probe
