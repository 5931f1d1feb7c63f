# Finds the CUDA toolkit. Without it the build is complete, for the CPU. Sets lookback_cuda: the
# targets that the GPU's part links, empty where there is none.
#
# LOOKBACK_CUDA=OFF leaves it out though it is there. LOOKBACK_CUDA_ARCHITECTURES: what code is made
# for: all (80 and 90a), or a list of them. 80 is machine code of sm_80 and the PTX it was made from,
# which the driver compiles for newer GPUs; 90a is machine code for 9.0, which runs nowhere else.
#
# LOOKBACK_CUDA_OPTIMIZED=OFF: the kernels compile and link in half of the time, and are slow. Where
# they are used the program says so.

option(LOOKBACK_CUDA "Build for GPUs too, where the CUDA toolkit is found" ON)
option(LOOKBACK_CUDA_OPTIMIZED "Optimize kernels of the GPU" ON)
set(LOOKBACK_CUDA_ARCHITECTURES all CACHE STRING "all, or a list of 80 and 90a")
set(lookback_cuda "")

if(NOT LOOKBACK_CUDA)
  message(STATUS "LOOKBACK_CUDA is OFF: building for the CPU")
elseif(NOT LOOKBACK_SANITIZE)
  find_program(LOOKBACK_NVCC nvcc PATHS /usr/local/cuda/bin ENV CUDA_HOME PATH_SUFFIXES bin
    DOC "The CUDA compiler")
  if(NOT LOOKBACK_NVCC)
    message(STATUS "No CUDA toolkit: building for the CPU")
  endif()
endif()
# What was found is in the cache, where it stays when LOOKBACK_CUDA changes.
if(LOOKBACK_NVCC AND LOOKBACK_CUDA AND NOT LOOKBACK_SANITIZE)
  set(CMAKE_CUDA_COMPILER ${LOOKBACK_NVCC})
  # Older CMake would try an architecture that newer toolkits have forgotten.
  set(CMAKE_CUDA_ARCHITECTURES 80)
  enable_language(CUDA)
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 does not know that nvcc knows C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  find_package(CUDAToolkit QUIET)
  # cuBLAS is opened when it is needed (kernels/cuda/toolkit/products.cpp): its header is enough.
  find_file(lookback_cublas_header cublas_v2.h HINTS ${CUDAToolkit_INCLUDE_DIRS} NO_CACHE)
  if(TARGET CUDA::cudart_static AND lookback_cublas_header)
    set(lookback_cuda CUDA::cudart_static)
  else()
    message(STATUS "nvcc is here, but not cudart_static and cuBLAS: building for the CPU")
  endif()
endif()

set(lookback_cuda_code "")
set(architectures ${LOOKBACK_CUDA_ARCHITECTURES})
if(architectures STREQUAL all)
  set(architectures 80 90a)
endif()
foreach(architecture IN LISTS architectures)
  if(architecture MATCHES "^[0-9]+$")
    list(APPEND lookback_cuda_code
      -gencode=arch=compute_${architecture},code=[compute_${architecture},sm_${architecture}])
  elseif(architecture MATCHES "^[0-9]+a$")
    list(APPEND lookback_cuda_code
      -gencode=arch=compute_${architecture},code=sm_${architecture})
  else()
    message(FATAL_ERROR "LOOKBACK_CUDA_ARCHITECTURES=${LOOKBACK_CUDA_ARCHITECTURES}: must be all, or "
      "a list of 80 and 90a")
  endif()
endforeach()
list(JOIN architectures " " lookback_cuda_architectures)

# The folders of the GPU, as one object library. -fmad=false: as on the CPU, kernels that want a
# fused multiply-add ask for it by name, and the same bits come out of both compilers.
function(lookback_add_cuda)
  # Relative: folders above the project may have any name.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
    kernels/cuda/*.cpp kernels/cuda/*.cu)
  list(FILTER sources EXCLUDE REGEX "/cuda/emulated/")
  add_library(lookback_gpu OBJECT ${sources})
  target_include_directories(lookback_gpu PUBLIC ${PROJECT_SOURCE_DIR})
  set_property(SOURCE kernels/cuda/toolkit/cuda_runtime.cpp APPEND PROPERTY
    COMPILE_DEFINITIONS LOOKBACK_BUILT_FOR="${lookback_cuda_architectures}")
  # Line numbers for profilers; compressed, machine code with them is a quarter as large, and in the
  # way that takes longer, which not all older toolkits have, a fifth.
  set(code_size -lineinfo -Xfatbin=-compress-all)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)
    list(APPEND code_size --compress-mode=size)
  endif()
  if(NOT LOOKBACK_CUDA_OPTIMIZED)
    set(code_size -Xfatbin=-compress-all -Xcicc=-O1 -Xptxas=-O0)
    set_property(SOURCE kernels/cuda/toolkit/cuda_runtime.cpp APPEND PROPERTY
      COMPILE_DEFINITIONS LOOKBACK_CUDA_UNOPTIMIZED)
  endif()
  target_compile_options(lookback_gpu PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${lookback_compile_options}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${lookback_cuda_code};--expt-relaxed-constexpr;-fmad=false>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${code_size}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-fno-math-errno,-ffp-contract=off>")
  if(LOOKBACK_WERROR)
    target_compile_options(lookback_gpu PRIVATE
      "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Werror>")
  endif()
  target_link_libraries(lookback_gpu PUBLIC ${lookback_libraries} ${lookback_cuda})
endfunction()
