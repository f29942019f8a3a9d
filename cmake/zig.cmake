# For other systems than this one, by zig (`pip install ziglang`), which is a Clang with the headers and the
# libraries' symbols of many: -DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake -DZIG=<program> -DZIG_TARGET=aarch64-macos.11.0
if(CMAKE_SHARED_MODULE_CREATE_CXX_FLAGS MATCHES "-bundle") # read again, after CMake's own file of the system
  set(CMAKE_SHARED_MODULE_CREATE_CXX_FLAGS -dynamiclib)     # zig links no bundles
  return()
endif()
set(FASTFA_X86_64 x86_64_v) # as zig begins the names of x86-64's levels
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG ZIG_TARGET)
string(REGEX MATCH "^[^-]*" CMAKE_SYSTEM_PROCESSOR "${ZIG_TARGET}")
if(ZIG_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  # Of Apple's tools and folders nothing is here, and nothing of them is needed.
  set(CMAKE_OSX_SYSROOT "" CACHE STRING "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "")
  set(CMAKE_INSTALL_NAME_TOOL /bin/false CACHE FILEPATH "")
  set(CMAKE_USER_MAKE_RULES_OVERRIDE ${CMAKE_CURRENT_LIST_FILE})
elseif(ZIG_TARGET MATCHES "windows")
  set(CMAKE_SYSTEM_NAME Windows)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
set(CMAKE_C_COMPILER ${ZIG} cc -target ${ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${ZIG} c++ -target ${ZIG_TARGET})
set(CMAKE_AR ${ZIG} CACHE FILEPATH "")
set(CMAKE_RANLIB /bin/true CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
