#include "apps/data/compressed_file.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "runtime/check.h"

namespace lookback {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t part_bytes = std::size_t{1} << 18;

void check_begins(const InputFile& file, std::string_view mark, std::string_view program) {
  std::string start(std::min(mark.size(), file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  const Check check{"data"};
  check(start == mark, "{}: is not compressed by {}, as its name says", file.path(), program);
}

[[noreturn]] void refuse_cut(const InputFile& file) {
  fail("data",
       "{}: ends in the middle of what was compressed, after {} bytes: was a download cut short?",
       file.path(), file.size());
}

using Told = std::function<void(std::int64_t)>;

// Reads a file part by part.
class Input {
 public:
  Input(const InputFile& file, const Told& told) : file_(file), told_(told) {}
  // The next part; empty: there is none.
  std::span<std::byte> next() {
    position_ += part_.size();
    if (told_) told_(static_cast<std::int64_t>(position_));
    part_.resize(std::min(part_bytes, file_.size() - position_));
    file_.read(position_, part_);
    return part_;
  }
  std::size_t begin() const { return position_; }  // of the part

 private:
  const InputFile& file_;
  const Told& told_;
  std::size_t position_ = 0;
  std::vector<std::byte> part_;
};

class GzipStream {
 public:
  GzipStream() {
    constexpr int largest_window = 15, with_gzip_header = 16;
    if (inflateInit2(&stream_, largest_window + with_gzip_header) != Z_OK)
      fail("data", "zlib cannot be set up");
  }
  ~GzipStream() { inflateEnd(&stream_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  z_stream* operator->() { return &stream_; }
  z_stream* get() { return &stream_; }

 private:
  z_stream stream_{};
};

// Tape blocks are filled up with zeros.
bool is_padding(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

std::string gunzip(const InputFile& file, const Told& told) {
  check_begins(file, "\x1f\x8b"sv, "gzip");
  GzipStream stream;
  std::string text;
  std::vector<char> out(part_bytes);
  Input input(file, told);
  bool ended = false;  // between archives
  for (auto part = input.next(); !part.empty(); part = input.next()) {
    stream->next_in = reinterpret_cast<Bytef*>(part.data());
    stream->avail_in = static_cast<uInt>(part.size());
    // Output may wait within it where the input is used up.
    for (bool full = false; stream->avail_in > 0 || full;) {
      const auto at = part.size() - stream->avail_in;
      if (ended && is_padding(part.subspan(at))) break;
      if (ended) inflateReset(stream.get());
      stream->next_out = reinterpret_cast<Bytef*>(out.data());
      stream->avail_out = static_cast<uInt>(out.size());
      const int result = inflate(stream.get(), Z_NO_FLUSH);
      const auto now = input.begin() + part.size() - stream->avail_in;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        fail("data", "{}: is damaged at byte {}: {}", file.path(), now,
             stream->msg != nullptr ? stream->msg : "zlib cannot go on");
      }
      text.append(out.data(), out.size() - stream->avail_out);
      full = stream->avail_out == 0;
      ended = result == Z_STREAM_END;
      if (ended) full = false;
    }
  }
  if (!ended) refuse_cut(file);
  return text;
}

std::string unzstd(const InputFile& file, const Told& told) {
  check_begins(file, "\x28\xb5\x2f\xfd"sv, "zstd");
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(),
                                                                          &ZSTD_freeDStream);
  std::string text;
  std::vector<char> out(part_bytes);
  Input input(file, told);
  std::size_t open = 1;  // 0: between archives
  for (auto part = input.next(); !part.empty(); part = input.next()) {
    ZSTD_inBuffer in{part.data(), part.size(), 0};
    for (bool full = false; in.pos < in.size || full;) {
      ZSTD_outBuffer room{out.data(), out.size(), 0};
      open = ZSTD_decompressStream(stream.get(), &room, &in);
      if (ZSTD_isError(open) != 0) {
        fail("data", "{}: is damaged at byte {}: {}", file.path(), input.begin() + in.pos,
             ZSTD_getErrorName(open));
      }
      text.append(out.data(), room.pos);
      full = open != 0 && room.pos == room.size;
    }
  }
  if (open != 0) refuse_cut(file);
  return text;
}

}  // namespace

Compression compression_of(std::string_view path) {
  if (path.ends_with(".gz")) return Compression::gzip;
  return path.ends_with(".zst") ? Compression::zstd : Compression::none;
}

std::string decompressed(const InputFile& file, Compression compression, const Told& told) {
  if (compression == Compression::gzip) return gunzip(file, told);
  return unzstd(file, told);
}

}  // namespace lookback
