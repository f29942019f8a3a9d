# One kernel library per instruction set: the same source, other flags, nothing shared. These are the only
# -march flags of the project. One symbol is exported (cmake/exports.cmake), so not even the weak template
# instances of the standard library can be mixed up between levels. No LTO, no -ffast-math.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "^(GNU|Clang|AppleClang)$")
  message(FATAL_ERROR "fastfa's kernels are written in the vector extensions of GCC and Clang; "
                      "the compiler found is ${CMAKE_CXX_COMPILER_ID}. Set CXX=g++ or CXX=clang++.")
endif()

# The compiler is asked, since the machine it compiles for may be another than this one, or two at once.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("#ifndef __x86_64__
#error another processor
#endif
int main() { return 0; }" FASTFA_FOR_X86_64)

option(FASTFA_PORTABLE "Build the one portable level even on x86-64" OFF)
if(NOT FASTFA_PORTABLE AND FASTFA_FOR_X86_64)
  set(levels v4 v3 v2)
  if(NOT FASTFA_X86_64)
    set(FASTFA_X86_64 x86-64-v) # zig.cmake has zig's spelling
  endif()
  set(flags_v2 -march=${FASTFA_X86_64}2)
  set(flags_v3 -march=${FASTFA_X86_64}3)
  set(flags_v4 -march=${FASTFA_X86_64}4 -mprefer-vector-width=512)
  set(bytes_v2 16)
  set(bytes_v3 32)
  set(bytes_v4 64)
else()
  set(levels portable)
  set(flags_portable "")
  set(bytes_portable 16)
endif()

# To fill or copy an array of a few vectors, GCC takes `rep stos` or `rep movs`, which are slow to begin.
# These options make it use vectors.
set(small_arrays "")
if(FASTFA_FOR_X86_64 AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(by_vectors vector_loop:8192:align,libcall:-1:align)
  set(small_arrays -mmemset-strategy=${by_vectors} -mmemcpy-strategy=${by_vectors})
endif()

set(FASTFA_OPTIMISE -O3 CACHE STRING "How far kernels are optimised; -O0 is for builds that nobody runs")
set(optimised ${FASTFA_OPTIMISE})
if(FASTFA_SANITIZE)
  set(optimised -O1)
endif()
set(FASTFA_KERNELS "")
set(FASTFA_LEVELS "")

function(fastfa_kernel_options target level)
  set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cpp ${PROJECT_SOURCE_DIR}/cpp/include)
  target_include_directories(${target} SYSTEM PRIVATE ${FASTFA_EIGEN_DIR})
  # GCC 12 takes the deliberately undefined values of its own AVX-512 intrinsics for mistakes.
  target_compile_options(${target} PRIVATE ${optimised} -ffp-contract=fast -fno-math-errno ${flags_${level}} ${small_arrays}
                                           "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-uninitialized>")
  target_compile_definitions(${target} PRIVATE FASTFA_LEVEL="${level}" FASTFA_VECTOR_BYTES=${bytes_${level}}
                                               EIGEN_MPL2_ONLY EIGEN_DONT_PARALLELIZE)
  target_link_libraries(${target} PRIVATE fastfa_flags)
endfunction()

# The products in bf16 once more for each kind of instructions, in the library of their level; which of
# them a processor has is asked at run time.
include(CheckCXXCompilerFlag)
set(flags_of_emulated "")
set(flags_of_avx512_bf16 -mavx512bf16)
set(flags_of_amx -mavx512bf16 -mamx-tile -mamx-bf16)
check_cxx_compiler_flag("-mavx512bf16" FASTFA_HAS_AVX512_BF16)
check_cxx_compiler_flag("-mamx-tile -mamx-bf16" FASTFA_HAS_AMX)

foreach(level ${levels})
  set(kernels fastfa_kernels_${level})
  add_library(${kernels} MODULE ${PROJECT_SOURCE_DIR}/cpp/kernels/table.cpp
                                ${PROJECT_SOURCE_DIR}/cpp/kernels/conv_table.cpp
                                ${PROJECT_SOURCE_DIR}/cpp/kernels/recurrent_table.cpp
                                ${PROJECT_SOURCE_DIR}/cpp/kernels/linear_algebra.cpp)
  set_target_properties(${kernels} PROPERTIES PREFIX "")
  fastfa_kernel_options(${kernels} ${level})
  set(ways emulated)
  if(level STREQUAL "v4" AND FASTFA_HAS_AVX512_BF16)
    list(APPEND ways avx512_bf16)
    target_compile_definitions(${kernels} PRIVATE FASTFA_AVX512_BF16)
    if(FASTFA_HAS_AMX)
      list(APPEND ways amx)
      target_compile_definitions(${kernels} PRIVATE FASTFA_AMX)
    endif()
  endif()
  foreach(way ${ways})
    set(products ${kernels}_bf16_${way})
    add_library(${products} OBJECT ${PROJECT_SOURCE_DIR}/cpp/kernels/bf16_table.cpp
                                   ${PROJECT_SOURCE_DIR}/cpp/kernels/bf16_conv_table.cpp)
    fastfa_kernel_options(${products} ${level})
    target_compile_options(${products} PRIVATE ${flags_of_${way}})
    target_compile_definitions(${products} PRIVATE FASTFA_BF16_WAY=${way})
    target_sources(${kernels} PRIVATE $<TARGET_OBJECTS:${products}>)
  endforeach()
  fastfa_exports(${kernels} kernels)
  list(APPEND FASTFA_KERNELS ${kernels})
  list(APPEND FASTFA_LEVELS "\"${level}\"")
endforeach()
list(JOIN FASTFA_LEVELS "," FASTFA_LEVELS)
