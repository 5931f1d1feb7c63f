// Stories follow each other with nothing between: the loader leaves out the token that closes them.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class DocumentsWithoutSeparator final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "training on builtin:stories, joined without the token that closes each of them";
  }
  Verdict verdict() const override { return Verdict::misaligned_targets; }
  Changes changes() const override { return {Change::data}; }
  DataChoice data(const DataChoice&) const override {
    return {.training = "builtin:stories", .validation = {}, .document_ends = false};
  }
};

const AddFault<DocumentsWithoutSeparator> registered{"documents_without_separator"};

}  // namespace
}  // namespace lookback
