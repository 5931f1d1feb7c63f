// The products of a block's warpgroups (warpgroup.h), and how they see its shared memory.
//
// Their sums are NaN until the thread waits for them, and for good where the products of a group
// did not begin with order(). Errors: shared memory that a product reads although the thread that
// wrote it has not published it since, or that changes while a product reads it; what lies beyond;
// a descriptor that says what no kernel here means; warps of a group that ask for different
// products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/device/matrix_descriptor.h"

namespace lookback::device::emulated {

// Where element (mn, k) of the matrix lies: its address, as the PTX ISA defines it.
std::uint32_t element_address(std::uint64_t matrix, Major major, int mn, int k);

// How many have been made since the program began, counted once for each warp.
std::size_t products_so_far();

struct ProductRequest {
  int columns;      // N
  std::uint64_t a;  // where `registers` is absent
  std::uint64_t b;
  Major major;
  bool operator==(const ProductRequest&) const = default;
};

class BlockProducts {
 public:
  BlockProducts(std::byte* shared, std::size_t bytes, int threads);
  ~BlockProducts();
  BlockProducts(const BlockProducts&) = delete;
  BlockProducts& operator=(const BlockProducts&) = delete;

  void wrote(int thread, const void* to, std::size_t bytes);
  void publish(int thread);
  std::uint32_t address_of(const void* pointer) const;

  void order(int thread);
  // All lanes of a warp one after the other. `registers`: of lane l at l * exchange_bytes, absent
  // where a is in shared memory.
  void multiply(int thread, float* c, const ProductRequest& request, const std::byte* registers);
  void commit(int thread);
  void wait(int thread, int newest);

 private:
  struct Product;  // of one warp
  struct OfThread;
  struct OfWarp;

  std::uint16_t published_bits(std::uint32_t address) const;
  std::shared_ptr<Product> start(int warp, const ProductRequest& request,
                                 const std::byte* registers) const;
  void expect_unchanged(Product& product) const;

  std::byte* shared_;
  std::vector<std::byte> published_;
  std::vector<OfThread> threads_;
  std::vector<OfWarp> warps_;
  std::vector<std::vector<ProductRequest>> requests_;  // of each warpgroup, in order
};

}  // namespace lookback::device::emulated
