// Marks what libfastfa exports; everything else in it is hidden.
#pragma once

#if defined(_WIN32)
#define FASTFA_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define FASTFA_EXPORT __attribute__((visibility("default")))
#else
#define FASTFA_EXPORT
#endif

// On Windows a library's users say that they import. CMake defines fastfa_EXPORTS for libfastfa alone.
#if defined(_WIN32) && !defined(fastfa_EXPORTS)
#define FASTFA_API __declspec(dllimport)
#else
#define FASTFA_API FASTFA_EXPORT
#endif
