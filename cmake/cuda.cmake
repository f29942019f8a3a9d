# Device kernels: a library of its own beside libfastfa, opened by the first network that asks for a device.
# The CUDA runtime is linked into it, so that nothing of CUDA but the driver is needed where it runs.
set(FASTFA_CUDA AUTO CACHE STRING "Build device kernels with nvcc: ON, OFF, or AUTO (if nvcc is there)")
set_property(CACHE FASTFA_CUDA PROPERTY STRINGS AUTO ON OFF)
option(FASTFA_EMULATED "Build the emulated device, for tests" OFF)

set(FASTFA_DEVICES "")
set(FASTFA_CUDA_BUILT "")

function(fastfa_device_library name)
  set_target_properties(${name} PROPERTIES PREFIX "" INTERPROCEDURAL_OPTIMIZATION OFF)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/cpp ${PROJECT_SOURCE_DIR}/cpp/include)
  fastfa_exports(${name} device)
  set(FASTFA_DEVICES ${FASTFA_DEVICES} ${name} PARENT_SCOPE)
endfunction()

if(FASTFA_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
endif()
if(FASTFA_CUDA STREQUAL "ON" OR (FASTFA_CUDA STREQUAL "AUTO" AND CMAKE_CUDA_COMPILER))
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90) # 90: code and PTX, for what comes after
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
    message(FATAL_ERROR "fastfa's device kernels need nvcc 12.0 or later; the one found is "
                        "${CMAKE_CUDA_COMPILER_VERSION}. Set FASTFA_CUDA=OFF to build without them.")
  endif()
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  add_library(fastfa_cuda MODULE cpp/cuda/f32.cu cpp/cuda/f64.cu cpp/cuda/blas.cu cpp/cuda/module.cu
              cpp/cuda/runtime/device.cu)
  fastfa_device_library(fastfa_cuda)
  target_compile_options(
    fastfa_cuda PRIVATE --expt-relaxed-constexpr -Xptxas -v -Xcompiler -Wall,-Wextra,-fvisibility=hidden
                        "$<$<BOOL:${FASTFA_WERROR}>:SHELL:-Werror all-warnings>")
  string(REGEX REPLACE "^([0-9]+\\.[0-9]+).*" "\\1" toolkit "${CMAKE_CUDA_COMPILER_VERSION}")
  set(targets "")
  foreach(architecture ${CMAKE_CUDA_ARCHITECTURES})
    string(REGEX REPLACE "-.*" "" number "${architecture}")
    list(APPEND targets "sm_${number}")
  endforeach()
  list(JOIN targets ", " targets)
  set(FASTFA_CUDA_BUILT "${toolkit} (${targets})")
else()
  message(STATUS "fastfa is built without device kernels (FASTFA_CUDA=${FASTFA_CUDA}, nvcc not used)")
endif()

if(FASTFA_EMULATED)
  file(GLOB emulated_sources CONFIGURE_DEPENDS cpp/cuda/emulate/*.cpp)
  add_library(fastfa_cuda_emulated MODULE ${emulated_sources})
  fastfa_device_library(fastfa_cuda_emulated)
  target_compile_options(fastfa_cuda_emulated PRIVATE -O2 -Wno-unknown-pragmas)
  target_link_libraries(fastfa_cuda_emulated PRIVATE fastfa_flags)
endif()
