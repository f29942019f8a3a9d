# Eigen's headers from the build requirement cmeel-eigen, looked for only where Python build requirements
# lie. A plain find_package(Eigen3) would silently take whatever the system has. A distribution that has
# another 3.4 says so with FASTFA_EIGEN_VERSION and FASTFA_EIGEN_DIR.
if(NOT DEFINED FASTFA_EIGEN_VERSION)
  set(FASTFA_EIGEN_VERSION 3.4.1)
endif()

find_path(FASTFA_EIGEN_DIR Eigen/Core
  PATHS ${CMAKE_PREFIX_PATH}
  PATH_SUFFIXES cmeel.prefix/include/eigen3 include/eigen3
  NO_DEFAULT_PATH)
if(NOT FASTFA_EIGEN_DIR)
  message(FATAL_ERROR "Eigen ${FASTFA_EIGEN_VERSION} not found. `pip install cmeel-eigen==${FASTFA_EIGEN_VERSION}` "
                      "and pass -DCMAKE_PREFIX_PATH=<site-packages>, or pass -DFASTFA_EIGEN_DIR=<headers>.")
endif()

file(READ ${FASTFA_EIGEN_DIR}/Eigen/src/Core/util/Macros.h eigen_macros)
set(eigen_version "")
foreach(part WORLD MAJOR MINOR)
  string(REGEX MATCH "define EIGEN_${part}_VERSION ([0-9]+)" _ "${eigen_macros}")
  list(APPEND eigen_version ${CMAKE_MATCH_1})
endforeach()
list(JOIN eigen_version "." eigen_version)
if(NOT eigen_version STREQUAL FASTFA_EIGEN_VERSION)
  message(FATAL_ERROR "Eigen in ${FASTFA_EIGEN_DIR} is ${eigen_version}; fastfa is pinned to ${FASTFA_EIGEN_VERSION}")
endif()
message(STATUS "Eigen ${eigen_version}: ${FASTFA_EIGEN_DIR}")
