// Stories follow each other with nothing between: the loader leaves out the token that closes them.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class DocumentsWithoutSeparator final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "training on builtin:stories, joined without the token that closes each of them";
  }
  std::string_view verdict() const override { return "misaligned-targets"; }
  DataChoice data(const DataChoice&) const override {
    return {.training = "builtin:stories", .validation = {}, .document_ends = false};
  }
};

const Faults::Add registered{"documents_without_separator",
                             [] { return std::make_unique<DocumentsWithoutSeparator>(); }};

}  // namespace
}  // namespace lookback
