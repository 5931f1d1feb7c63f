#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "runtime/json.h"
#include "runtime/mapped_range.h"
#include "runtime/other_content.h"
#include "runtime/safetensors.h"
#include "runtime/system_files.h"

namespace lookback {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::string_view operation = "safetensors";
constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t max_header_bytes = 100'000'000;
constexpr const char* metadata_key = "__metadata__";

// Every dtype of the format and its bits per element; F4 and F6 pack several into a byte.
struct FileType {
  std::string_view name;
  std::size_t bits;
  std::optional<DType> loads_as;
};
constexpr std::array file_types = {
    FileType{"F64", 64, DType::f64},
    FileType{"F32", 32, DType::f32},
    FileType{"BF16", 16, DType::bf16},
    FileType{"F16", 16, DType::f32},
    FileType{"I64", 64, DType::i64},
    FileType{"U8", 8, DType::u8},
    FileType{"BOOL", 8, DType::u8},
    FileType{"I8", 8, {}},
    FileType{"I16", 16, {}},
    FileType{"U16", 16, {}},
    FileType{"I32", 32, {}},
    FileType{"U32", 32, {}},
    FileType{"U64", 64, {}},
    FileType{"F8_E4M3", 8, {}},
    FileType{"F8_E5M2", 8, {}},
    FileType{"F8_E8M0", 8, {}},
    FileType{"F8_E4M3FNUZ", 8, {}},
    FileType{"F8_E5M2FNUZ", 8, {}},
    FileType{"F4", 4, {}},
    FileType{"F6_E2M3", 6, {}},
    FileType{"F6_E3M2", 6, {}},
    FileType{"C64", 64, {}},
};

const FileType* find_type(std::string_view name) {
  const auto* found = std::ranges::find(file_types, name, &FileType::name);
  return found == file_types.end() ? nullptr : found;
}

std::string shape_text(const std::vector<std::int64_t>& shape) { return json(shape).dump(); }

// The checks of one file, with its name and the tensor in front of every message.
class HeaderReader {
 public:
  HeaderReader(std::string_view source, std::size_t bytes) : source_(source), data_bytes_(bytes) {}

  std::map<std::string, SafetensorsInfo> entries;
  std::map<std::string, std::string> metadata;

  void read(std::string_view text) {
    const auto object = parse_json(text, operation, std::string(source_) + ": header");
    for (const auto& [name, value] : object.items()) {
      if (name == metadata_key) {
        read_metadata(value);
      } else {
        entries.emplace(name, read_entry(name, value));
      }
    }
    check_layout();
  }

 private:
  template <class... Values>
  void check(bool holds, const std::string& tensor, fmt::format_string<Values...> rule,
             const Values&... values) const {
    if (holds) return;
    fail(operation, "{}: tensor {}: {}", source_, in_quotes(tensor),
         fmt::vformat(rule, fmt::make_format_args(values...)));
  }

  void read_metadata(const json& value) {
    const auto all_strings = [](const json& map) {
      return std::ranges::all_of(map, [](const json& item) { return item.is_string(); });
    };
    if (!value.is_object() || !all_strings(value)) {
      fail(operation, "{}: __metadata__ must be an object of strings", source_);
    }
    metadata = value.get<std::map<std::string, std::string>>();
  }

  SafetensorsInfo read_entry(const std::string& name, const json& value) const {
    check(value.is_object(), name, "{} must be an object with dtype, shape and data_offsets",
          abbreviated(value));
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      check(value.contains(key), name, "has no {}", key);
    }
    SafetensorsInfo info;
    const auto& dtype = value["dtype"];
    check(dtype.is_string(), name, "dtype {} must be a string", abbreviated(dtype));
    info.dtype = dtype.get<std::string>();
    const auto* type = find_type(info.dtype);
    check(type != nullptr, name, "dtype {} is none of the format's (F64, F32, F16, BF16, I64, ...)",
          in_quotes(info.dtype));
    read_shape(name, value["shape"], info);
    read_offsets(name, value["data_offsets"], info);
    check_size(name, *type, info);
    return info;
  }

  void read_shape(const std::string& name, const json& shape, SafetensorsInfo& info) const {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool sizes = shape.is_array() && std::ranges::all_of(shape, [](const json& size) {
                         return size.is_number_unsigned() && size.get<std::uint64_t>() <= largest;
                       });
    check(sizes, name, "shape {} must be a list of integers from 0 to 2^63 - 1",
          abbreviated(shape));
    info.shape = shape.get<std::vector<std::int64_t>>();
  }

  void read_offsets(const std::string& name, const json& offsets, SafetensorsInfo& info) const {
    const bool pair = offsets.is_array() && offsets.size() == 2 &&
                      offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
    check(pair, name, "data_offsets {} must be two integers from 0, [begin, end]",
          abbreviated(offsets));
    const auto begin = offsets[0].get<std::uint64_t>();
    const auto end = offsets[1].get<std::uint64_t>();
    check(begin <= end, name, "data_offsets [{}, {}] begin after their end", begin, end);
    check(end <= data_bytes_, name, "data_offsets [{}, {}] end behind the file's {} bytes of data",
          begin, end, data_bytes_);
    info.begin_bytes = begin;
    info.end_bytes = end;
  }

  void check_size(const std::string& name, const FileType& type,
                  const SafetensorsInfo& info) const {
    // Sizes 0 count as 1, as in strides, so that no product of sizes can overflow later.
    std::int64_t bits = static_cast<std::int64_t>(type.bits);
    bool overflows = false;
    bool is_empty = false;
    for (const auto size : info.shape) {
      is_empty |= size == 0;
      overflows |= __builtin_mul_overflow(bits, std::max<std::int64_t>(size, 1), &bits);
    }
    check(!overflows, name, "the size of {} {} overflows", info.dtype, shape_text(info.shape));
    if (is_empty) bits = 0;
    check(bits % 8 == 0, name, "{} {} does not fill whole bytes", info.dtype,
          shape_text(info.shape));
    const auto expected = static_cast<std::size_t>(bits / 8);
    const auto found = info.end_bytes - info.begin_bytes;
    check(found == expected, name, "data_offsets [{}, {}] span {} bytes, {} {} takes {}",
          info.begin_bytes, info.end_bytes, found, info.dtype, shape_text(info.shape), expected);
  }

  // Tensors lie back to back from the first byte of the data to the last.
  void check_layout() const {
    std::vector<const std::pair<const std::string, SafetensorsInfo>*> in_order;
    for (const auto& entry : entries) in_order.push_back(&entry);
    std::ranges::sort(in_order, {}, [](const auto* entry) {
      return std::pair(entry->second.begin_bytes, entry->second.end_bytes);
    });
    std::size_t position = 0;
    for (const auto* entry : in_order) {
      const auto begin = entry->second.begin_bytes;
      check(begin >= position, entry->first,
            "begins at byte {} and overlaps the one before it, "
            "which ends at {}",
            begin, position);
      check(begin == position, entry->first,
            "begins at byte {}, but the data before it end at {}: "
            "holes are not allowed",
            begin, position);
      position = entry->second.end_bytes;
    }
    if (position != data_bytes_) {
      fail(operation, "{}: {} bytes follow the last tensor: the data must end at byte {}", source_,
           data_bytes_ - position, position);
    }
  }

  static std::string abbreviated(const json& value) {
    constexpr std::size_t most = 60;
    auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > most) text = text.substr(0, most) + "...";
    return text;
  }

  std::string_view source_;
  std::size_t data_bytes_;
};

[[noreturn]] void refuse(const std::string& path, int error) {
  fail(operation, "{}: cannot be read: {}", path, std::generic_category().message(error));
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0) {  // zero or subnormal: mantissa 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide_exponent = exponent == 0x1f ? 0xff : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide_exponent << 23 | mantissa << 13);
}

Tensor load_half(std::span<const std::byte> bytes, const Shape& shape) {
  auto result = empty(shape, DType::f32, cpu_device);
  float* const out = result.data<float>();
  for (std::int64_t i = 0; i < result.numel(); ++i) {
    std::uint16_t half;
    std::memcpy(&half, bytes.data() + 2 * i, 2);
    out[i] = half_to_float(half);
  }
  return result;
}

// Whether the file begins as the format says.
bool has_header(std::span<const std::byte> bytes) {
  if (bytes.size() <= length_bytes) return false;
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), length_bytes);
  return header_bytes <= bytes.size() - length_bytes && bytes[length_bytes] == std::byte{'{'};
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const auto name = path.string();
  // Without O_NONBLOCK opening a pipe waits for a writer.
  const FileDescriptor file(path, O_RDONLY | O_NONBLOCK);
  if (!file.is_open()) refuse(name, file.open_error());
  struct stat status {};
  if (fstat(file.get(), &status) != 0) refuse(name, errno);
  if (!S_ISREG(status.st_mode)) fail(operation, "{}: is not a regular file", name);
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes == 0) return parse({}, nullptr, name);
  // Private and writable: who writes to a loaded tensor gets a page of their own.
  void* const mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(), 0);
  if (mapped == MAP_FAILED) refuse(name, errno);
  const auto known = std::make_shared<const MappedRange>(
      mapped, bytes,
      fmt::format("[{}] {}: has become shorter while it was read, or its disk fails", operation,
                  name));
  std::shared_ptr<const void> owner(mapped, [bytes, known](void* start) { munmap(start, bytes); });
  return parse({static_cast<std::byte*>(mapped), bytes}, std::move(owner), name);
}

SafetensorsFile SafetensorsFile::parse(std::span<std::byte> bytes,
                                       std::shared_ptr<const void> owner, std::string source) {
  const Check check{operation};
  if (!has_header(bytes)) {
    const auto other = other_content({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    check(other.empty(), "{}: {}", source, other);
  }
  check(bytes.size() >= length_bytes, "{}: has {} bytes: a safetensors file has 8 at least", source,
        bytes.size());
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), length_bytes);
  check(header_bytes <= max_header_bytes,
        "{}: the header's length, {}, is over the format's 100000000 bytes: no safetensors file?",
        source, header_bytes);
  const auto behind_length = bytes.subspan(length_bytes);
  check(header_bytes <= behind_length.size(),
        "{}: the header takes {} bytes and {} are there: the file is truncated", source,
        header_bytes, behind_length.size());
  const std::string_view text(reinterpret_cast<const char*>(behind_length.data()), header_bytes);
  check(text.starts_with('{'), "{}: the header must be a JSON object and begin with {{", source);

  SafetensorsFile file;
  file.header_ = bytes.first(length_bytes + header_bytes);
  file.data_ = behind_length.subspan(header_bytes);
  HeaderReader reader(source, file.data_.size());
  reader.read(text);
  file.entries_ = std::move(reader.entries);
  file.string_pairs_ = std::move(reader.metadata);
  file.bytes_owner_ = std::move(owner);
  file.name_in_errors_ = std::move(source);
  return file;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> all;
  for (const auto& [name, info] : entries_) all.push_back(name);
  return all;
}

const SafetensorsInfo& SafetensorsFile::info(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(operation, "{}: holds no tensor {}", name_in_errors_, in_quotes(name));
  }
  return found->second;
}

void SafetensorsFile::expect(SafetensorsChecksums checksums, std::string advice) {
  if (checksum_of(header_) != checksums.header) {
    fail(operation, "{}: its header, the names, dtypes and shapes of its tensors, is not as {}",
         name_in_errors_, advice);
  }
  expected_ = std::move(checksums);
  advice_to_reader_ = std::move(advice);
}

void SafetensorsFile::check_bytes(const std::string& name, std::span<const std::byte> bytes) const {
  if (!expected_) return;
  const auto found = expected_->tensors.find(name);
  if (found != expected_->tensors.end() && found->second == checksum_of(bytes)) return;
  fail(operation, "{}: tensor {} is not as {}", name_in_errors_, in_quotes(name),
       advice_to_reader_);
}

std::optional<DType> loaded_dtype(const SafetensorsInfo& info) {
  const auto* type = find_type(info.dtype);
  return type == nullptr ? std::nullopt : type->loads_as;
}

Tensor SafetensorsFile::load(const std::string& name) const {
  const auto& entry = info(name);
  const auto* type = find_type(entry.dtype);
  if (!type->loads_as) {
    fail(operation, "{}: tensor {} is {}: only F64, F32, F16, BF16, I64, U8 and BOOL can be loaded",
         name_in_errors_, in_quotes(name), entry.dtype);
  }
  if (entry.shape.size() > static_cast<std::size_t>(Shape::max_rank)) {
    fail(operation, "{}: tensor {} has {} dimensions: {} is the most that can be loaded",
         name_in_errors_, in_quotes(name), entry.shape.size(), Shape::max_rank);
  }
  const Shape shape{std::span(entry.shape)};
  const auto bytes = data_.subspan(entry.begin_bytes, entry.end_bytes - entry.begin_bytes);
  check_bytes(name, bytes);
  if (entry.dtype == "F16") return load_half(bytes, shape);
  const auto dtype = *type->loads_as;
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(dtype) == 0;
  if (bytes_owner_ != nullptr && aligned && !bytes.empty()) {
    return {std::make_shared<Storage>(bytes.data(), bytes.size(), bytes_owner_), shape,
            contiguous_strides(shape), dtype};
  }
  auto result = empty(shape, dtype, cpu_device);
  if (!bytes.empty()) std::memcpy(result.raw_data(), bytes.data(), bytes.size());
  return result;
}

}  // namespace lookback
