#include "kernels/cuda/emulated/block_products.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/cuda/emulated/run_grid.h"
#include "runtime/check.h"
#include "runtime/dtype.h"

namespace lookback::device::emulated {
namespace {

constexpr int warps_of_group = 4;
constexpr int summed = 16;  // K of one product
constexpr int rows_of_warp = 16;
constexpr std::uint32_t window = 1024;  // shared memory begins at this address, as on the GPU
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::size_t made = 0;

float number_of(std::uint16_t bits) {
  BFloat16 element;
  element.bits = bits;
  return static_cast<float>(element);
}

// Element (row, k) of the 16 rows whose registers the lanes of a warp hold.
std::uint16_t bits_in_registers(const std::byte* registers, int row, int k) {
  const int lane = row % 8 * 4 + k % 8 / 2;
  std::uint32_t of[4];
  std::memcpy(of, registers + static_cast<std::size_t>(lane) * exchange_bytes, sizeof(of));
  return static_cast<std::uint16_t>(of[row / 8 + 2 * (k / 8)] >> 16 * (k % 2));
}

}  // namespace

std::size_t products_so_far() { return made; }

std::uint32_t element_address(std::uint64_t matrix, Major major, int mn, int k) {
  const auto field = [matrix](int place) {
    return static_cast<std::uint32_t>(matrix >> place & 0x3fff) << 4;
  };
  const auto start = field(0), leading = field(16), stride = field(32);
  const auto swizzle = static_cast<Swizzle>(matrix >> 62);
  const auto base_offset = matrix >> 49 & 7;
  if (base_offset != 0) fail("kernel", "a matrix descriptor has base offset {}", base_offset);
  // Chunks of eight elements in a line, lines of a group: one index runs along the lines.
  const auto along = static_cast<std::uint32_t>(major == Major::k ? k : mn);
  const auto across = static_cast<std::uint32_t>(major == Major::k ? mn : k);
  const auto chunk = along / 8, inside = along % 8 * 2;
  if (swizzle == Swizzle::none) {
    const bool k_major = major == Major::k;
    return start + inside + across % 8 * 16 + across / 8 * (k_major ? stride : leading) +
           chunk * (k_major ? leading : stride);
  }
  const std::uint32_t chunks = swizzle == Swizzle::bytes_128  ? 8
                               : swizzle == Swizzle::bytes_64 ? 4
                                                              : 2;
  auto address = start + inside + across % 8 * chunks * 16 + across / 8 * stride;
  // Along K a product needs two chunks, which never leave the line.
  address += major == Major::k ? chunk * 16 : chunk % chunks * 16 + chunk / chunks * leading;
  return address ^ ((address >> 7 & (chunks - 1)) << 4);
}

struct BlockProducts::Product {
  std::size_t number;  // in the order of the warp
  float a[rows_of_warp][summed];
  std::vector<float> b;                  // [N, 16]
  std::vector<std::uint32_t> addresses;  // of all that was read, and what was there
  std::vector<std::uint16_t> bits;
  bool checked = false;
};

struct BlockProducts::OfThread {
  struct Sums {
    float* to;
    std::vector<float> numbers;
    std::size_t group;  // of the last product that adds to them
  };
  struct Reading {
    std::shared_ptr<Product> product;
    std::size_t group;
  };
  std::vector<std::uint32_t> written;  // chunks of 16 bytes, since the block began
  std::vector<Sums> in_flight;
  std::vector<Reading> readings;
  std::size_t group = 0;   // the open one
  std::size_t issued = 0;  // products
  bool ordered = false;    // since the group began
};

struct BlockProducts::OfWarp {
  std::shared_ptr<Product> newest;
};

BlockProducts::BlockProducts(std::byte* shared, std::size_t bytes, int thread_count)
    : shared_(shared),
      published_(bytes, std::byte{0xff}),
      threads_(static_cast<std::size_t>(thread_count)),
      warps_((threads_.size() + warp_threads - 1) / warp_threads),
      requests_((warps_.size() + warps_of_group - 1) / warps_of_group) {}
BlockProducts::~BlockProducts() = default;

std::uint32_t BlockProducts::address_of(const void* pointer) const {
  return window + static_cast<std::uint32_t>(static_cast<const std::byte*>(pointer) - shared_);
}

void BlockProducts::wrote(int thread, const void* to, std::size_t bytes) {
  constexpr std::size_t many = 4096;
  auto& written = threads_[static_cast<std::size_t>(thread)].written;
  if (written.size() >= many) {
    std::ranges::sort(written);
    const auto doubles = std::ranges::unique(written);
    written.erase(doubles.begin(), doubles.end());
  }
  for (std::size_t at = 0; at < bytes; at += 16) {
    written.push_back((address_of(to) - window + static_cast<std::uint32_t>(at)) / 16);
  }
}

void BlockProducts::publish(int thread) {
  for (const auto chunk : threads_[static_cast<std::size_t>(thread)].written) {
    std::memcpy(published_.data() + std::size_t{16} * chunk, shared_ + std::size_t{16} * chunk, 16);
  }
}

void BlockProducts::order(int thread) { threads_[static_cast<std::size_t>(thread)].ordered = true; }

std::uint16_t BlockProducts::published_bits(std::uint32_t address) const {
  if (address < window || address - window + 2 > published_.size()) {
    fail("kernel", "a product reads shared memory at {}, and there are {} bytes from {} on",
         address, published_.size(), window);
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, published_.data() + (address - window), sizeof(bits));
  if (std::memcmp(&bits, shared_ + (address - window), sizeof(bits)) != 0) {
    fail("kernel", "a product reads shared memory at {}, and what is there was not published to it",
         address);
  }
  return bits;
}

std::shared_ptr<BlockProducts::Product> BlockProducts::start(int warp,
                                                             const ProductRequest& request,
                                                             const std::byte* registers) const {
  auto product = std::make_shared<Product>();
  const auto read = [&](std::uint64_t matrix, Major major, int mn, int k) {
    const auto address = element_address(matrix, major, mn, k);
    product->addresses.push_back(address);
    product->bits.push_back(published_bits(address));
    return number_of(product->bits.back());
  };
  for (int row = 0; row < rows_of_warp; ++row) {
    for (int k = 0; k < summed; ++k) {
      product->a[row][k] =
          registers != nullptr
              ? number_of(bits_in_registers(registers, row, k))
              : read(request.a, Major::k, warp % warps_of_group * rows_of_warp + row, k);
    }
  }
  for (int column = 0; column < request.columns; ++column) {
    for (int k = 0; k < summed; ++k) {
      product->b.push_back(read(request.b, request.major, column, k));
    }
  }
  return product;
}

void BlockProducts::multiply(int thread, float* c, const ProductRequest& request,
                             const std::byte* registers) {
  auto& own = threads_[static_cast<std::size_t>(thread)];
  const int warp = thread / warp_threads, lane = thread % warp_threads;
  auto& newest = warps_[static_cast<std::size_t>(warp)].newest;
  if (newest == nullptr || newest->number != own.issued) {  // the first lane of its warp
    newest = start(warp, request, registers);
    newest->number = own.issued;
    ++made;
  }
  auto& asked = requests_[static_cast<std::size_t>(warp / warps_of_group)];
  if (asked.size() == own.issued) asked.push_back(request);
  if (asked[own.issued] != request) {
    fail("kernel", "thread {} asks for another product than the rest of its warpgroup", thread);
  }
  ++own.issued;
  const auto count = static_cast<std::size_t>(request.columns) / 2;
  auto sums = std::ranges::find(own.in_flight, c, &OfThread::Sums::to);
  if (sums == own.in_flight.end()) {
    own.in_flight.push_back({c, std::vector<float>(c, c + count), own.group});
    sums = own.in_flight.end() - 1;
    std::fill_n(c, count, not_a_number);
  }
  sums->group = own.group;
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::size_t>(lane / 4) + i % 4 / 2 * 8;
    const auto column = i / 4 * 8 + static_cast<std::size_t>(lane % 4) * 2 + i % 2;
    float& sum = sums->numbers[i];
    for (std::size_t k = 0; k < summed; ++k) {
      sum += newest->a[row][k] * newest->b[column * summed + k];
    }
    if (!own.ordered) sum = not_a_number;
  }
  own.readings.push_back({newest, own.group});
}

void BlockProducts::commit(int thread) {
  auto& own = threads_[static_cast<std::size_t>(thread)];
  ++own.group;
  own.ordered = false;
}

// Once for each warp, when the first of its lanes goes on.
void BlockProducts::expect_unchanged(Product& product) const {
  if (product.checked) return;
  product.checked = true;
  for (std::size_t i = 0; i < product.addresses.size(); ++i) {
    std::uint16_t now = 0;
    std::memcpy(&now, shared_ + (product.addresses[i] - window), sizeof(now));
    if (now != product.bits[i]) {
      fail("kernel", "shared memory at {} has changed while a product was reading it",
           product.addresses[i]);
    }
  }
}

void BlockProducts::wait(int thread, int newest) {
  auto& own = threads_[static_cast<std::size_t>(thread)];
  const auto still = static_cast<std::size_t>(newest);
  const auto first_left = own.group > still ? own.group - still : 0;
  std::erase_if(own.readings, [&](const OfThread::Reading& reading) {
    if (reading.group >= first_left) return false;
    expect_unchanged(*reading.product);
    return true;
  });
  std::erase_if(own.in_flight, [&](const OfThread::Sums& sums) {
    if (sums.group >= first_left) return false;
    std::ranges::copy(sums.numbers, sums.to);
    return true;
  });
}

}  // namespace lookback::device::emulated
