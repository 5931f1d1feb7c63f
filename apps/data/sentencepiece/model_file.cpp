#include "apps/data/sentencepiece/model_file.h"

#include <optional>

namespace lookback::sentencepiece_model {
namespace {

// One field of a message: a number, or bytes (a string, a message).
struct Field {
  std::uint64_t number = 0, value = 0;
  std::string_view bytes;
};

// https://protobuf.dev/programming-guides/encoding
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  std::optional<Field> next() {
    const auto key = variable_length();
    if (!key) return std::nullopt;
    Field field{.number = *key >> 3, .value = 0, .bytes = {}};
    switch (*key & 7) {
      case 0: {
        const auto value = variable_length();
        if (!value) return std::nullopt;
        field.value = *value;
        return field;
      }
      case 1: return taken(field, 8);
      case 2: {
        const auto size = variable_length();
        if (!size) return std::nullopt;
        return taken(field, *size);
      }
      case 5: return taken(field, 4);
      default: return std::nullopt;
    }
  }

 private:
  std::optional<Field> taken(Field field, std::uint64_t size) {
    if (size > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }

  std::optional<std::uint64_t> variable_length() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

void read_piece(ModelFile& model, std::string_view message, std::int64_t id) {
  enum : std::uint64_t { control = 3, user_defined = 4 };
  Piece piece{.text = {}, .id = id};
  std::uint64_t type = 1;
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 1) piece.text = field->bytes;
    if (field->number == 3) type = field->value;
  }
  if (type == control) model.control.push_back(std::move(piece));
  if (type == user_defined) model.user_defined.push_back(std::move(piece));
}

void read_trainer(ModelFile& model, std::string_view message) {
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 3) model.merges = field->value == 2;
  }
}

void read_normalizer(ModelFile& model, std::string_view message) {
  Fields fields(message);
  while (const auto field = fields.next()) {
    if (field->number == 2) model.has_character_table = !field->bytes.empty();
    if (field->number == 3) model.adds_space = field->value != 0;
    if (field->number == 4) model.removes_spaces = field->value != 0;
  }
}

}  // namespace

ModelFile read_model_file(std::string_view bytes) {
  ModelFile model;
  std::int64_t pieces = 0;
  Fields fields(bytes);
  while (const auto field = fields.next()) {
    if (field->number == 1) read_piece(model, field->bytes, pieces++);
    if (field->number == 2) read_trainer(model, field->bytes);
    if (field->number == 3) read_normalizer(model, field->bytes);
  }
  return model;
}

// A field that stands once more counts in place of what stood before.
std::string without_normalization(std::string bytes) {
  constexpr std::string_view normalizer("\x1a\x06\x12\x00\x18\x00\x20\x00", 8);
  return bytes += normalizer;
}

}  // namespace lookback::sentencepiece_model
